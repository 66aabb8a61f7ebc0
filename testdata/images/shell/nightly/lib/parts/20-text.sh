customers=$NIGHTLY_HOME/share/customers.txt
section collation
for locale in C C.UTF-8 cs_CZ.UTF-8; do
	echo "$locale: $(LC_ALL=$locale sort "$customers" | paste -sd' ' -)"
done

section characters
echo "$(wc -c <"$customers") bytes, $(wc -m <"$customers") characters"
sed -n 's/^[řžú].*/\U&/ip' "$customers" | paste -sd' ' -
grep -cP '^\p{Lu}\p{Ll}+$' "$customers"
iconv -f UTF-8 -t ISO-8859-2 "$customers" | tee "$NIGHTLY_OUT/customers.latin2" | od -An -tx1 | tr -d ' \n' | fold -w 32 | head -n 1
echo Řeka | iconv -f UTF-8 -t ASCII//TRANSLIT
echo

section numbers
LC_ALL=cs_CZ.UTF-8 printf "%'.2f\n" 1234567,891
LC_ALL=cs_CZ.UTF-8 numfmt --grouping 7654321
echo 'scale=6; 4*a(1)' | bc -l
seq 1 2 9 | paste -sd+ | bc
expr 17 % 5
