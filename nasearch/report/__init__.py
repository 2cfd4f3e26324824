"""Tables, pictures and pages about a study; takes plain data, never a study itself."""
