printf '%s\n' "1	Teekanne	material=>Ton" "2	Große Tasse	material=>Glas" |
	psql --username=postgres --no-psqlrc --quiet -v ON_ERROR_STOP=1 --dbname=shop -c 'COPY product FROM STDIN'
