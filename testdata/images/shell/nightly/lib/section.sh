section() { printf '== %s\n' "$*"; }
