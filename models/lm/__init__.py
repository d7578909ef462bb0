"""Language models: one interface, whatever runs the model.

Deviations
"""
