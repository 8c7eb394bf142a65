"""Reports about a trained model: an HTML page, an SVG overview, image sheets, and a description in one sentence.

The page is a Jinja2 template with its style sheet and script, in `templates/`. The charts are SVG text without a
plotting library. Both need no network, and the same model gives the same bytes.
"""
