"""What the generated reference says and the code does not: the meaning of each key of a task file, and whose idea a
part is.

`tests/test_docs.py` fails when a key or a name lacks its line here, or a line its key. Knows nothing of how the pages
are made.
"""

from __future__ import annotations

# Dotted key of the task file → what it means.
MEANINGS = {
    "task": "What is asked, and how it is put into words.",
    "task.name": "Short name; also names the default run folder. Left out: the stem of the task file's name.",
    "task.instructions": "What every language model is told. Left out: made from the labels and their descriptions.",
    "task.labels": "The possible answers, at least two, in the order of every table. A description helps the workers.",
    "task.show": "The columns that the workers see. Left out: `text`, or the only column that is left.",
    "task.noun": "The word for one text, such as `review`. Left out: the name of the shown column, or `text`.",
    "task.aspect": "The word for what the labels tell, such as `sentiment` or `topic`. Left out: `label`.",
    "data": "Where the texts come from, and which columns mean what.",
    "data.pool": "The texts to label: CSV, TSV, JSONL, Parquet, a Hugging Face `datasets` folder, or a built-in name.",
    "data.test": "Items with gold labels that are kept apart for evaluation. They choose no label and teach nobody.",
    "data.test.path": "A file or a built-in name; `test: test.csv` is short for this.",
    "data.test.share": "So much of the pool, drawn by the seed from the items that have a gold label.",
    "data.test.items": "So many items of the pool, drawn likewise.",
    "data.gold": "The column with the true label. Used to measure, never shown to a worker.",
    "data.people": 'A column with people\'s own choices, such as `{"positive": 12, "negative": 3}`.',
    "data.id": "A column with ids. Left out: an id is made from the text.",
    "data.limit": "Use only so many items of the pool, drawn by the seed. Left out: all.",
    "data.seed": "Seed of every draw in the run.",
    "agents": "The workers. Left out: [the default committee](catalogue.md#the-default-committee).",
    "agents.name": "Unique in the file. Left out: made from the model's name.",
    "agents.model": "A model: a name of `limbeck models list`, a `.gguf` file, a model folder, or `hf:owner/name`.",
    "agents.encoder": "Instead of `model`: a sentence encoder, which compares the text with each label's description.",
    "agents.engine": "What runs the model. See [engines](../how-to/bring-your-own-model.md#safetensors).",
    "agents.style": "`chat`: the model's own chat template. `plain`: a text that the answer continues.",
    "agents.wording": "The question. Must hold `{text}` once. See [placeholders](../how-to/write-prompts.md#wording).",
    "agents.cue": "The words just before the answer, such as `Sentiment:`. May use the placeholders but `{text}`.",
    "agents.label_words": "The word that stands for a label in prompt and answer. Left out: the label itself.",
    "agents.label_order": "The order in which `{labels}` lists the labels.",
    "agents.examples": "Worked examples in the prompt.",
    "agents.examples.number": "How many.",
    "agents.examples.choose": "`random`: by the seed. `balanced`: the labels in turn. `first`: the first of the file.",
    "agents.examples.from": "The file, or built-in name, that holds them. It needs the same text and gold columns.",
    "agents.decode": "How the answer is drawn; `decode: choice` is short for `decode: {choice: {}}`.",
    "agents.decode.choice": "[Label scoring](../explanation/label-scoring.md): each label's exact log-probability.",
    "agents.decode.choice.calibration": "Takes out what a prompt prefers anyway. Encoders know `none` and `batch`.",
    "agents.long_text": "Which part of a text is kept when it is too long for the model. Such votes are flagged.",
    "committee": "How votes become labels.",
    "committee.protocol": "Who is asked what.",
    "committee.aggregate": "How the votes on one item become one label with a probability.",
    "committee.prior": "How often each label is expected. Give it when labels are not equally common.",
    "committee.accept": "The confidence from which a label counts as accepted.",
    "selection": "Which items are asked, in how many rounds.",
    "selection.strategy": "How the rounds after the first choose.",
    "selection.rounds": "In how many rounds the item budget is spent.",
    "selection.start": "The share of the item budget that the first round asks.",
    "selection.cold": "How the first round chooses, before there is a student.",
    "student": "The small model that learns from the labels.",
    "student.kind": "What kind of model.",
    "student.encoder": "The sentence encoder behind it; `null`: word and character counts only.",
    "student.min_confidence": "Labels below this confidence do not teach.",
    "budget": "When to stop asking: whichever ends first. `null` is no limit.",
    "budget.items": "Items of the pool that are asked. Left out: all.",
    "budget.tokens": "Tokens computed, test items included; checked after each batch.",
    "budget.seconds": "Wall seconds over all attempts at the run; checked after each batch.",
    "privacy": "What may leave the machine.",
    "privacy.allow_remote": "For engines that send texts elsewhere. This version has none and sends no text.",
}

# Keys whose short forms cannot be read off their type.
SHAPES = {
    "task.labels": "list, or mapping from label to description",
    "task.show": "list of column names, or `null`",
    "data.test": "path, built-in name, `{share: …}`, `{items: …}` or `null`",
    "agents": "list of agents, or `null`",
    "agents.label_words": "mapping from label to word",
    "agents.examples": "mapping",
    "agents.decode": "`choice`, or mapping",
    "agents.decode.choice": "mapping",
    "committee.prior": "`uniform`, or mapping from label to share that sums to 1",
    **dict.fromkeys(("task", "data", "committee", "selection", "student", "budget", "privacy"), "mapping"),
}

_TEMPERATURE = "temperature: Guo et al., On calibration of modern neural networks, ICML 2017"
# Group and name → whose idea it is, or what it does where no class says so.
SOURCES = {
    "engines.openvino": "built here on the OpenVINO runtime",
    "engines.scripted": "built here; needs no model",
    "engines.transformers": "Wolf et al., Transformers, EMNLP 2020; needs `pip install 'limbeck[torch]'`",
    "engines.masked": "Schick & Schütze 2021, arXiv 2001.07676; needs `pip install 'limbeck[torch]'`",
    "decoders.choice": "the chain rule; see [label scoring](../explanation/label-scoring.md)",
    "aggregators.majority": "plain counting",
    "aggregators.weighted": "Nitzan & Paroush, Optimal decision rules in uncertain dichotomous choice situations, 1982",
    "aggregators.dawid-skene": "Dawid & Skene, Maximum likelihood estimation of observer error-rates, 1979",
    "aggregators.opinion-pool": "Genest & Zidek, Combining probability distributions, Statistical Science 1986",
    "selectors.random": "drawing lots",
    "selectors.least-confidence": "Lewis & Gale, A sequential algorithm for training text classifiers, SIGIR 1994",
    "selectors.margin": "Scheffer, Decomain & Wrobel, Active hidden Markov models, IDA 2001",
    "selectors.entropy": "Settles, Active learning literature survey, 2009, section 3.1",
    "selectors.disagreement": "Dagan & Engelson, Committee-based sampling, ICML 1995",
    "selectors.k-centre": "Sener & Savarese, Active learning for convolutional neural networks, ICLR 2018",
    "selectors.k-means": "Zhdanov, Diverse mini-batch active learning, 2019, arXiv 1901.05954",
    "students.linear": f"logistic regression on soft labels; {_TEMPERATURE}",
    "protocols.vote": "Every worker answers every item that is asked, independently of the others.",
    "calibrations.none": "Only normalises over the labels.",
    "calibrations.batch": "Takes out each label's mean over the batch of votes (Zhou et al. 2023, arXiv 2309.17249).",
    "calibrations.contextual": "Takes out what the prompt says of an empty text (Zhao et al. 2021, arXiv 2102.09690).",
    "calibrations.pmi": "Takes out what the prompt's last words alone say (Holtzman et al. 2021, arXiv 2104.08315).",
}
