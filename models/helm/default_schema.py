"""placeholder"""

from models.helm.schema import Schema

DEFAULT = Schema()
