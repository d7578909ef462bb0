"""Small pictures of shapes with words: what the collage model learns from and is judged on.

shapes.py outlines, drawing.py surfaces and grounds, specs.py what is in a scene and its light,
rendering.py scenes as seen in one light, collages.py layers that were each lit on their own.
"""
