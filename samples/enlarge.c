/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Enlarges a picture with libmdrn alone.
 *
 *     cc enlarge.c -o enlarge $(pkg-config --cflags --libs libmdrn)
 *     ./enlarge small.ppm large.ppm [SCALE [MODEL]]
 *
 * Pictures are binary PPM (P6) of 8 or 16 bits: ffmpeg -i any.png small.ppm
 */
#include <mdrn.h>
#include <stdio.h>
#include <stdlib.h>

static void fail(const char *what, const char *why) {
    fprintf(stderr, "enlarge: %s: %s\n", what, why);
    exit(1);
}

static void log_line(void *opaque, mdrn_log_level level, const char *message) {
    (void)opaque;
    if (level == MDRN_LOG_WARNING) fprintf(stderr, "enlarge: %s\n", message);
}

/* A number of a PPM's header, behind white space and lines that begin with #; 0 if there is none.
 */
static int header_number(FILE *file) {
    int number = 0;
    while (fscanf(file, " %d", &number) != 1) {
        if (getc(file) != '#') return 0;
        for (int c = 0; c != '\n' && c != EOF;) c = getc(file);
    }
    return number;
}

/* Rows of R, G, B without gaps, in words of 8 bits or big-endian ones of 16. */
static mdrn_image rgb_image(int width, int height, int bits) {
    const int bytes = bits / 8;
    mdrn_image image = {0};
    image.size = sizeof image;
    image.width = width;
    image.height = height;
    image.matrix = image.transfer = 2; /* unspecified */
    image.layout.model = MDRN_COLOR_RGB;
    image.layout.components = 3;
    image.layout.big_endian = 1;
    for (int i = 0; i < 3; i++) {
        image.layout.component[i].step = 3 * bytes;
        image.layout.component[i].offset = i * bytes;
        image.layout.component[i].depth = bits;
    }
    image.stride[0] = (ptrdiff_t)width * 3 * bytes;
    image.data[0] = calloc(height, image.stride[0]);
    if (!image.data[0]) fail("the picture", "not enough memory");
    return image;
}

static mdrn_image read_ppm(const char *name) {
    FILE *file = fopen(name, "rb");
    if (!file) fail(name, "cannot be opened");
    const int p6 = getc(file) == 'P' && getc(file) == '6';
    const int width = p6 ? header_number(file) : 0, height = p6 ? header_number(file) : 0;
    const int most = p6 ? header_number(file) : 0;
    if (width < 1 || width > 32767 || height < 1 || height > 32767 ||
        (most != 255 && most != 65535) || getc(file) == EOF)
        fail(name, "is no binary PPM with 255 or 65535 as its largest value");
    mdrn_image image = rgb_image(width, height, most == 255 ? 8 : 16);
    if (fread(image.data[0], image.stride[0], height, file) != (size_t)height)
        fail(name, "ends before its last row");
    fclose(file);
    return image;
}

static void write_ppm(const char *name, const mdrn_image *image) {
    FILE *file = fopen(name, "wb");
    if (!file) fail(name, "cannot be written");
    fprintf(file, "P6\n%d %d\n%d\n", image->width, image->height,
            (1 << image->layout.component[0].depth) - 1);
    fwrite(image->data[0], image->stride[0], image->height, file);
    const int failed = ferror(file);
    if (fclose(file) || failed) fail(name, "could not be written to its end");
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 5) {
        fprintf(stderr, "usage: enlarge IN.ppm OUT.ppm [SCALE [MODEL]]\n");
        return 2;
    }
    mdrn_settings settings;
    mdrn_settings_default(&settings, sizeof settings);
    settings.log = log_line;
    if (argc > 3)
        settings.scale = atoi(argv[3]) ? atoi(argv[3]) : -1; /* -1: no word passes for 0 */
    if (argc > 4) settings.model = argv[4];

    mdrn_context *context = NULL;
    if (mdrn_open(&context, &settings) < 0) fail("mdrn_open", mdrn_last_error());
    const int scale = mdrn_scale(context);

    mdrn_image small = read_ppm(argv[1]);
    mdrn_image large =
        rgb_image(small.width * scale, small.height * scale, small.layout.component[0].depth);
    if (mdrn_send(context, &small, &large, NULL) < 0 || mdrn_receive(context, NULL) < 0)
        fail(argv[1], mdrn_last_error());
    mdrn_close(&context);

    write_ppm(argv[2], &large);
    free(small.data[0]);
    free(large.data[0]);
    return 0;
}
