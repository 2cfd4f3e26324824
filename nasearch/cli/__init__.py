"""The command line: a file for each noun, which parses, calls and prints."""
