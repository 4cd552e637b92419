"""Personas, questions, grounded answers and knowledge through any OpenAI-compatible server.

`engine` asks, `journal` remembers, `template` says what is asked and what counts as an answer; `personas` and `pairs`
are what is made, `screen`, `minhash`, `ground` and `diversity` judge it. Putting these together is the pipeline's.
"""
