#include "proto/time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/number.h"

void sower_time_print(int64_t milliseconds, char text[SOWER_TIME_SIZE])
{
    int64_t seconds = milliseconds / 1000;
    int64_t rest = milliseconds % 1000;
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    time_t time = (time_t)seconds;
    struct tm parts;
    if (gmtime_r(&time, &parts) == NULL || parts.tm_year < -1900 || parts.tm_year > 9999 - 1900) {
        snprintf(text, SOWER_TIME_SIZE, ".%03dZ", (int)rest); /* RFC 3339 has no form for this year */
        return;
    }
    memcpy(text, "yyyy-mm-ddThh:mm:ss.mmmZ", sizeof "yyyy-mm-ddThh:mm:ss.mmmZ");
    sower_number_pad((uint64_t)(parts.tm_year + 1900), text, 4);
    sower_number_pad((uint64_t)(parts.tm_mon + 1), text + 5, 2);
    sower_number_pad((uint64_t)parts.tm_mday, text + 8, 2);
    sower_number_pad((uint64_t)parts.tm_hour, text + 11, 2);
    sower_number_pad((uint64_t)parts.tm_min, text + 14, 2);
    sower_number_pad((uint64_t)parts.tm_sec, text + 17, 2);
    sower_number_pad((uint64_t)rest, text + 20, 3);
}

static bool read_digits(const char *text, size_t count, unsigned *number)
{
    *number = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        *number = *number * 10 + (unsigned)(text[i] - '0');
    }
    return true;
}

static unsigned count_days(unsigned year, unsigned month)
{
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1U : 0U);
}

/* Days since 1970-01-01 in the Gregorian calendar; years begin in March, so that a leap day is the last day
 * of a year. */
static int64_t day_number(unsigned year, unsigned month, unsigned day)
{
    int64_t years = (int64_t)year - (month <= 2 ? 1 : 0);
    int64_t months = (month + 9) % 12;
    return years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 719469;
}

bool sower_time_read(const char *text, size_t length, int64_t *milliseconds)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    unsigned year, month, day, hour, minute, second, thousandth;
    if (length != SOWER_TIME_LENGTH) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (form[i] != 'd' && text[i] != form[i]) {
            return false;
        }
    }
    if (!read_digits(text, 4, &year) || !read_digits(text + 5, 2, &month) ||
        !read_digits(text + 8, 2, &day) || !read_digits(text + 11, 2, &hour) ||
        !read_digits(text + 14, 2, &minute) || !read_digits(text + 17, 2, &second) ||
        !read_digits(text + 20, 3, &thousandth) || year < 1000 || month < 1 || month > 12 || day < 1 ||
        day > count_days(year, month) || hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    *milliseconds =
        (((day_number(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + thousandth;
    return true;
}
