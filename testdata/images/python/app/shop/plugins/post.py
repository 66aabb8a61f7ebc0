import json
from pathlib import Path

RATES = Path(__file__).parents[2] / "data" / "post.json"


def offer(grams):
    for limit, cents in json.loads(RATES.read_text()):
        if grams <= limit:
            return {"by": "post", "cents": cents}
    return {"by": "nobody"}
