"""python3 -m shop.tools.summary <WORDS"""

import sys
from collections import Counter


def main():
    letters = Counter(w[0] for w in sys.stdin.read().split())
    print("".join(f"{c}{n}" for c, n in sorted(letters.items(), key=lambda i: (-i[1], i[0]))))


if __name__ == "__main__":
    main()
