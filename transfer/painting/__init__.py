"""The painter: scene -> features through a lens -> losses -> optimizer -> canvas. It knows no files and no screen."""
