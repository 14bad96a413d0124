"""Statistics of the study: pure functions of plain arrays, each checked in the tests against a known answer."""
