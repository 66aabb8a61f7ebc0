# Comments and empty lines go, decimal commas become points.
/^#/d
/^[[:space:]]*$/d
s/;(-?[0-9]+),([0-9]+)$/;\1.\2/
s/[[:space:]]+;/;/g
