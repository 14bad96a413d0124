"""Drawing for the eye: of measures, of what is inside a network, and sheets of pictures. It measures nothing itself."""
