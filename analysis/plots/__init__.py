"""Figures from what was judged: arrays in, a Bokeh figure out; nothing is fitted and nothing is read here."""
