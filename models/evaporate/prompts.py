"""What models are asked, in words: the same for every collection and model, as in the paper.

The text comes first and the question last, so that a back end that keeps a prompt's beginning in
its cache reads a text once for all that is asked about it. Short on purpose: models that run on two
cores lose the thread of long instructions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from models.evaporate.asking import Question

NO_VALUE = "NONE"


def direct_question(text: str, attribute: str) -> Question:
    """Section 3.2.2, pseudo-labels: the full span of one attribute in one chunk."""
    return Question(
        f"Here is a text:\n\n{text}\n\n"
        f'Copy the full value of "{attribute}" from the text, word for word, and nothing else. '
        f"If the text does not give it, answer {NO_VALUE}.",
        f"{attribute}:",
    )


def table_question(text: str, attributes: Sequence[str]) -> Question:
    """DIRECT with a known schema: the values of all attributes in one chunk, a line each."""
    listed = "\n".join(f"- {attribute}" for attribute in attributes)
    return Question(
        f"Here is a text:\n\n{text}\n\n"
        f"These attributes are asked for:\n{listed}\n\n"
        "For each attribute that the text gives, write one line `attribute: value`, the value "
        "copied word for word. Leave out attributes that the text does not give."
    )


def schema_question(text: str, topic: str) -> Question:
    """Section 3.1: the attributes that a chunk gives, as `attribute: value` lines."""
    return Question(
        "Text: Ada Park, 41, blood pressure 120/80, was seen on 3 May.\n"
        "Attributes of the patient in the text:\n"
        "- name: Ada Park\n- age: 41\n- blood pressure: 120/80\n- date of visit: 3 May\n\n"
        "Text: <table><tr><th>Capital</th><td>Lima</td></tr><tr><th>Population</th>"
        "<td>34 million</td></tr></table>\n"
        "Attributes of the country in the text:\n- capital: Lima\n- population: 34 million\n\n"
        f"Text: {text}\n\nAttributes of the {topic} in the text:",
        "-",
    )


def ranking_question(listed: Sequence[tuple[str, str]], topic: str) -> Question:
    """Section 3.1, re-ranking: which of these attributes (with a value each) belong in a table."""
    lines = "\n".join(f"- {attribute}: {value}" for attribute, value in listed)
    return Question(
        f"These attributes were found in documents about {topic}, each with an example:\n{lines}\n"
        "\n"
        f"Which of them are the most useful columns of a SQL table about {topic}? "
        "Write their names, one a line.",
        "-",
    )


def function_question_a(text: str, attribute: str) -> Question:
    """P_A, zero-shot: complete a function that begins with `import re`."""
    return Question(
        f"Here is a text:\n\n{text}\n\n"
        f'Write a Python function that extracts the entire "{attribute}" field from such a text, '
        "but no other metadata, and returns a list of strings. Use regular expressions. Do not "
        "repeat the text.",
        f"```python\nimport re\n\n{_head(attribute)}\n",
    )


def function_question_b(text: str, attribute: str) -> Question:
    """P_B, two demonstrations: a key/value text by splitting lines, HTML by a pattern."""
    return Question(
        f"{_DEMONSTRATIONS}"
        f"Text:\n\n{text}\n\n"
        f'Task: write a Python function that extracts "{attribute}" from texts like this one.',
        f"```python\n{_head(attribute)}\n",
    )


def code_of(question: Question, answer: str) -> str:
    """The source that an answer completes: the opening's code and its own, up to the fence."""
    opening = question.opening.split("```python\n", 1)[-1]
    return opening + answer.split("```", 1)[0]


def function_name(attribute: str) -> str:
    """The name of an attribute's functions: get_product_code_field."""
    return f"get_{re.sub(r'[^a-z0-9]+', '_', attribute.lower()).strip('_')}_field"


def _head(attribute: str) -> str:
    return f"def {function_name(attribute)}(text: str) -> list[str]:"


_DEMONSTRATIONS = """Text:

From: Ada Park
Date: 3 May 1998

Dear all ...

Task: write a Python function that extracts "date" from texts like this one.

```python
def get_date_field(text: str) -> list[str]:
    values = []
    for line in text.split("\\n"):
        if line.strip().lower().startswith("date:"):
            values.append(line.split(":", 1)[1].strip())
    return values
```

Text:

<head><meta name="author" content="Ada Park"><title>Tides</title></head>

Task: write a Python function that extracts "author" from texts like this one.

```python
import re

def get_author_field(text: str) -> list[str]:
    return re.findall(r'<meta name="author" content="([^"]*)"', text)
```

"""
