"""How a corpus becomes a teacher, students and a bundle."""
