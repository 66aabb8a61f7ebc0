section clock
for zone in $ZONES; do
	echo "$zone $(TZ=$zone date -d @1711846800 '+%F %R %Z')"
done
LC_ALL=cs_CZ.UTF-8 TZ=Europe/Prague date -d '2024-03-29 12:00' '+%A %-d. %B'
TZ=Europe/Prague date -d 'TZ="America/New_York" 2024-03-29 09:00' +%R
date -u -d '2024-02-28 +2 days' +%F
