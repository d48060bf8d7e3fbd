"""One module per sensor, each with its entry ``SENSOR``; a new file is a new sensor, and nothing else lists them.

A module whose name begins with an underscore is a helper of its neighbours.
"""
