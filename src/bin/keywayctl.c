/* keywayctl.c - the command line tool.
 * For operators.
 * One thread. */
#include "keyway/main/ctl.h"

int main(int argc, char **argv)
{
	struct ctl c = { stdin, stdout, stderr };

	return (int)ctl_run(&c, argc, argv);
}
