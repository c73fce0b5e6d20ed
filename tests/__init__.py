"""The tests: a folder for each wing, pages/ and project/ for what is above them, and what they share in helpers/."""
