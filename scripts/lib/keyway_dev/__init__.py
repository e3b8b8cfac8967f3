"""What the scripts and the end-to-end tests share: private servers, local clusters behind Keyway, the sample shop."""
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


class Failure(Exception):
    """Something a user is told in one line, without a traceback."""
