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
    "agents.decode": "How the answer is drawn: one decoder. `decode: cot` is short for `decode: {cot: {}}`.",
    "agents.decode.choice": "[Label scoring](../explanation/label-scoring.md): each label's exact log-probability.",
    "agents.decode.choice.calibration": "Takes out what a prompt prefers anyway. Encoders know `none` and `batch`.",
    "agents.decode.cot": "[CoT-decoding](../explanation/decoding.md): branches on the first token that vote by their Δ.",
    "agents.decode.cot.k": "Branches of an item; the first is the greedy path.",
    "agents.decode.cot.max_tokens": "Length limit of a branch. A branch that needs more does not vote.",
    "agents.decode.cot.aggregate": "How branches vote: sum of Δ, the surest one alone, one vote each, or softmax of Δ.",
    "agents.decode.cot.at": "Where branches part: at the first token, or where the greedy path is least sure.",
    "agents.decode.cot.stop": "When there are enough branches, see [stopping](../explanation/decoding.md#stopping).",
    "agents.decode.cot.threshold": "For `stop: adaptive`: how sure it must be that the leader stays ahead.",
    "agents.decode.cot.window": "Branches that are started together; `0` is all. `stop` is asked after each window.",
    "agents.decode.self_consistency": "[Self-consistency](../explanation/decoding.md): sampled paths that vote.",
    "agents.decode.nucleus": "One sampled path, by default from the nucleus.",
    "agents.decode.greedy": "One path of the likeliest tokens.",
    "agents.decode.greedy.max_tokens": "Length limit of the path.",
    "agents.decode.gate": "Label scoring where its margin is clear, CoT-decoding on the other items.",
    "agents.decode.gate.margin": "How far the likeliest label's share must exceed the second's to be taken at once.",
    **{
        f"agents.decode.gate.cot{key}": f"As in `agents.decode.cot{key}`."
        for key in ("", ".k", ".max_tokens", ".aggregate", ".at", ".stop", ".threshold", ".window")
    },
    **{
        f"agents.decode.{name}.{key}": told
        for name in ("self_consistency", "nucleus")
        for key, told in {
            "temperature": "Divides the logits: below 1 the likely becomes likelier.",
            "top_k": "Draw from so many likeliest tokens.",
            "top_p": "Draw from the likeliest tokens that together have this probability: the nucleus.",
            "min_p": "Draw from tokens at least this likely, as a share of the likeliest one's probability.",
            "typical_p": "Draw from the tokens whose surprise is nearest to the expected one, up to this probability.",
            "top_n_sigma": "Draw from tokens whose logit is within so many standard deviations of the highest.",
            "repetition_penalty": "Divides or multiplies the logits of tokens that the path holds already; 1 is none.",
            "max_tokens": "Length limit of a path. A path that needs more does not vote.",
        }.items()
    },
    "agents.decode.self_consistency.paths": "Sampled paths of an item, at most.",
    "agents.decode.self_consistency.aggregate": "How paths vote, as in `agents.decode.cot.aggregate`.",
    "agents.decode.self_consistency.stop": "When there are enough paths, as in `agents.decode.cot.stop`.",
    "agents.decode.self_consistency.threshold": "As in `agents.decode.cot.threshold`.",
    "agents.decode.self_consistency.window": "Paths that are drawn together; `stop` is asked after each window.",
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

_DECODERS = ("choice", "cot", "self_consistency", "nucleus", "greedy", "gate")
# Keys whose short forms cannot be read off their type.
SHAPES = {
    "task.labels": "list, or mapping from label to description",
    "task.show": "list of column names, or `null`",
    "data.test": "path, built-in name, `{share: …}`, `{items: …}` or `null`",
    "agents": "list of agents, or `null`",
    "agents.label_words": "mapping from label to word",
    "agents.examples": "mapping",
    "agents.decode": "a decoder's name, or `{name: {…}}`",
    **{f"agents.decode.{name}": "mapping" for name in (*_DECODERS, "gate.cot")},
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
    "decoders.cot": "Wang & Zhou, Chain-of-thought reasoning without prompting, 2024, arXiv 2402.10200",
    "decoders.self_consistency": "Wang et al., Self-consistency improves chain of thought reasoning, 2023, arXiv 2203.11171",
    "decoders.nucleus": "Holtzman et al., The curious case of neural text degeneration, 2020, arXiv 1904.09751",
    "decoders.greedy": "the likeliest token at each step; CoT-decoding with one branch",
    "decoders.gate": "built here",
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
