"""T1: solution operators of partial differential equations with a single transform.

Poli, Massaroli, Berto, Park, Dao, Re, Ermon: Transform Once: Efficient Operator Learning in
Frequency Domain, NeurIPS 2022 (arXiv 2211.14453).
"""
