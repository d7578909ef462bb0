"""Language models: one interface, whatever runs the model.

`interface` says what may be asked, `opening.open_model` gives the model a configuration names,
`pulling.pull` gets one that is not there yet. Back ends: `transformers` (the plain reference),
`gguf` (llama.cpp), `openai` (any compatible server), `offload` (models/flexgen), and `replay`.

Rules that hold for every back end that tokenizes here:
- the tokens of a continuation are those of prompt + continuation tokenized together, from the
  first that reaches past the prompt's end: a token across the border belongs to the continuation;
- a text without any token before it (an empty prompt, where the tokenizer adds no start) follows
  the model's start token, or its end token if it has no start;
- `tokens` of a completion are all that were drawn, the end token and those that spell a stop
  string included; its `text` ends before either;
- a drawn completion depends on its prompt, the sampling and the weights, not on its batch.

Deviations
- SmolLM2 comes as a 4-bit file (Q4_1); what is computed with is its dequantised copy in float16,
  the same for every back end but `gguf`, which reads the 4-bit file itself.
- llama.cpp's servers tell no log-probabilities of given text: `gguf` does not score.
"""
