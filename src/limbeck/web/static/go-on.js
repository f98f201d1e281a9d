// The link's address holds a secret: leave it, and leave it out of the history.
location.replace("/");
