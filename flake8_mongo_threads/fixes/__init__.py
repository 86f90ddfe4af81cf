"""Applying the fixes that findings carry. The only part of the program that imports libcst."""
