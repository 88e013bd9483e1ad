#include "proto/number.h"

void sower_number_pad(uint64_t number, char *text, size_t count)
{
    for (size_t i = count; i-- > 0; number /= 10) {
        text[i] = (char)('0' + number % 10);
    }
}

size_t sower_number_print(uint64_t number, char text[SOWER_NUMBER_MAX])
{
    size_t count = 1;
    for (uint64_t rest = number; rest >= 10; rest /= 10) {
        count++;
    }
    sower_number_pad(number, text, count);
    text[count] = '\0';
    return count;
}

void sower_number_id(uint64_t number, char text[SOWER_REQUEST_ID_MAX])
{
    for (size_t i = 0; i < SOWER_REQUEST_ID_MAX - 1; i++) {
        text[i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
    }
    text[SOWER_REQUEST_ID_MAX - 1] = '\0';
}
