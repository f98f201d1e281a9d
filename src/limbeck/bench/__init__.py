"""limbeck beside other libraries on this machine: the same job, the same weights, in turns."""
