def offer(grams):
    return {"by": "bicycle", "cents": 500 + grams // 100}
