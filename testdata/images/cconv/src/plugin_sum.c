int plugin(const int *n, int count)
{
	int sum = 0;
	while (count-- > 0)
		sum += *n++;
	return sum;
}
