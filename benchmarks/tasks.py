"""The benchmarks' tasks, as a user would write them: labels, their meaning, what is asked. No gold label is used."""

from __future__ import annotations

from pathlib import Path

SST2 = """
task:
  name: sst2
  instructions: Decide whether the movie review is negative or positive.
  labels:
    negative: the reviewer dislikes the film
    positive: the reviewer likes the film
  noun: review
  aspect: sentiment
"""
TREC = """
task:
  name: trec
  instructions: Decide what kind of answer the question asks for.
  labels:
    abbreviation: what a short form stands for, or the short form of a name
    description: a definition, a reason, a manner or an explanation
    entity: a thing such as an animal, a food, a work, an event, a colour or a product
    location: a place such as a city, a country or a mountain
    number: a count, a date, a distance, a price, an age or another number
    person: a person, a group of people or an organisation
  noun: question
  aspect: type of answer
"""
AGNEWS = """
task:
  name: agnews
  instructions: Decide what the news article is about.
  labels:
    world: politics, wars and other events in the world
    sports: games, athletes and teams
    business: companies, markets and the economy
    technology: science, computers and the internet
  noun: article
  aspect: topic
"""
SUBJ = """
task:
  name: subj
  instructions: Decide whether the sentence is objective or subjective.
  labels:
    objective: tells what happens in the film
    subjective: tells what somebody thinks of the film
  noun: sentence
  aspect: kind
"""
CUSTREV = """
task:
  name: custrev
  instructions: Decide whether the product review is negative or positive.
  labels:
    negative: the customer dislikes the product
    positive: the customer likes the product
  noun: review
  aspect: sentiment
"""
_LIKED = "good great best funny moving charming enjoyable fun beautiful wonderful excellent love loved smart powerful"
_DISLIKED = "bad worst dull boring stupid awful terrible mess fails lacks waste tired poor disappointing silly"
_OPINION = {"keywords": {"negative": _DISLIKED.split(), "positive": _LIKED.split()}}
# Labelling functions written from the labels' meaning, and not tried on any text before they were measured.
RULES: dict[str, dict[str, dict[str, list[str]]]] = {
    "sst2": _OPINION,
    "custrev": _OPINION,
    "trec": {
        "patterns": {
            "abbreviation": ["stands? for", "(?i)abbreviation|acronym|short for"],
            "description": ["^(Why|Define|Describe)", "^What (is|are) (an? )?\\w+ \\?", "^How (do|does|did|can|to)"],
            "entity": ["(?i)what (animal|colou?r|food|book|film|movie|sport|game|language|product)"],
            "location": ["^Where", "(?i)(what|which) (\\w+ )?(city|country|state|river|mountain|continent|island)"],
            "number": [
                "^How (many|much|far|long|old|tall|fast|big)",
                "^When",
                "(?i)what (year|date|day|number|percent)",
            ],
            "person": ["^Who", "(?i)(what|which) (\\w+ )?(president|actor|actress|author|man|woman|company)"],
        }
    },
    "agnews": {
        "keywords": {
            "world": ["war", "president", "minister", "troops", "killed", "government", "election", "bomb", "peace"],
            "sports": ["game", "coach", "team", "season", "cup", "win", "league", "olympic", "player", "match"],
            "business": [
                "shares",
                "profit",
                "stocks",
                "market",
                "oil",
                "prices",
                "sales",
                "economy",
                "bank",
                "investors",
            ],
            "technology": [
                "software",
                "internet",
                "computer",
                "microsoft",
                "google",
                "web",
                "online",
                "space",
                "scientists",
                "phone",
            ],
        }
    },
}
TASKS = {"sst2": SST2, "trec": TREC, "agnews": AGNEWS, "subj": SUBJ, "custrev": CUSTREV}


def task_text(name: str, pool: Path, *, test: Path | None = None, extra: str = "") -> str:
    """A task file for a benchmark set."""
    head = TASKS[name].lstrip()
    held_out = f"  test: {test}\n" if test else ""
    return f"{head}data:\n  pool: {pool}\n{held_out}  gold: label\n{extra}"
