/* Linked to musl's libc, dynamically: it runs where the loader is musl's, and nowhere else. Tells who it is. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **arguments) {
    struct passwd *account = getpwuid(getuid());
    char folder[4096];
    printf("user=%s\n", account ? account->pw_name : "unknown");
    printf("folder=%s\n", getcwd(folder, sizeof folder) ? folder : "unknown");
    for (int i = 1; i < count; i++) printf("argument=%s\n", arguments[i]);
    return 0;
}
