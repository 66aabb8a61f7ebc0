# Rates first ("EUR;1"), then rows: id;customer;currency;amount.
FNR == NR { rate[$1] = $2; next }
{ sum[$2] += $4 * rate[$3] }
END { for (c in sum) printf "%s|%.4f\n", c, sum[c] }
