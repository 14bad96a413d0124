"""How far a canvas is from what it should be: functions, conventions that combine them, terms, and their sum."""
