section top
zcat "$NIGHTLY_HOME"/share/sales/*.csv.gz | tr -d '\r' | grep -v '^#' | cut -d';' -f2 | sed 's/ *$//;/^$/d' |
	LC_ALL=C sort | uniq -c | sort -k1,1nr -k2 | head -n 2 | while read -r n name; do
	echo "$n $name"
done

section changes
code=0 first=${totals[0]} last=${totals[-1]}
diff -U0 --label before --label after "$first" "$last" | grep '^[-+][^-+]' || code=$?
echo "diff and grep ended with $code"
comm -12 <(cut -d'|' -f1 "$first" | sort) <(cut -d'|' -f1 "$last" | sort) | paste -sd, -
