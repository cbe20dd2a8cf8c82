"""The rules of intake: standard library only, values in and values out."""
