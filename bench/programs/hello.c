/* The floor: a process that writes the response and nothing else. */
#include <unistd.h>

static const char response[] =
    "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello World !\n";

int main(void)
{
    return write(1, response, sizeof response - 1) == sizeof response - 1 ? 0 : 1;
}
