/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * libmdrn: makes pictures two, three or four times larger with MDRN.
 *
 * Send pictures, receive them enlarged:
 * @code
 *     mdrn_settings settings;
 *     mdrn_settings_default(&settings, sizeof settings);
 *     settings.scale = 4;
 *     mdrn_context *context = NULL;
 *     if (mdrn_open(&context, &settings) < 0)
 *         puts(mdrn_last_error());
 *     mdrn_send(context, &small, &large, NULL);
 *     mdrn_receive(context, NULL);      // large now holds the picture
 *     mdrn_close(&context);
 * @endcode
 *
 * Thread safety: a context is used by one thread at a time; different
 * contexts are independent of each other. Functions that take no context may
 * be called from any thread at any time.
 *
 * Errors: every function that can fail returns 0 or a negative mdrn_error, and
 * leaves a sentence in mdrn_last_error() that says what failed, where, and
 * what to do. No function exits, aborts or throws.
 */
#ifndef MDRN_H
#define MDRN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define MDRN_API
#else
#define MDRN_API __attribute__((visibility("default")))
#endif

#define MDRN_VERSION_MAJOR 0
#define MDRN_VERSION_MINOR 1
#define MDRN_VERSION_PATCH 0

/** Version of the library that runs, as MAJOR << 16 | MINOR << 8 | PATCH. */
MDRN_API unsigned mdrn_version(void);

typedef enum mdrn_error {
    MDRN_ERROR_INVALID_ARGUMENT = -1, /**< a setting or an image that cannot be */
    MDRN_ERROR_OUT_OF_MEMORY    = -2, /**< more than the machine or settings.memory has */
    MDRN_ERROR_MODEL            = -3, /**< a weights file that is missing or damaged */
    MDRN_ERROR_UNSUPPORTED      = -4, /**< possible, but not in this build or on this machine */
    MDRN_ERROR_DEVICE           = -5, /**< the GPU, its driver or cuDNN failed */
    MDRN_ERROR_INTERNAL         = -6, /**< a defect of the library: please report it */
    /* Not failures; mdrn_last_error() stays as it was. */
    MDRN_AGAIN                  = -16, /**< receive before you send, or send before you receive */
    MDRN_EOF                    = -17, /**< drained: every picture has been received */
} mdrn_error;

/**
 * The message of the last call that failed on the calling thread, "" if none
 * did. Valid until the next mdrn call on that thread; never NULL.
 */
MDRN_API const char *mdrn_last_error(void);

typedef enum mdrn_device {
    MDRN_DEVICE_AUTO = 0,  /**< CUDA where there is some, else the CPU */
    MDRN_DEVICE_CPU,
    MDRN_DEVICE_CUDA,
    MDRN_DEVICE_REFERENCE, /**< plain loops on the CPU: slow, for comparison */
} mdrn_device;

typedef enum mdrn_precision {
    MDRN_PRECISION_AUTO = 0, /**< fp32 on a CPU, fp16 on a GPU */
    MDRN_PRECISION_FP32,
    MDRN_PRECISION_FP16,     /**< stored as fp16, summed in fp32 */
    MDRN_PRECISION_BF16,     /**< products of bf16, summed in fp32 */
} mdrn_precision;

/** How a GPU computes the network. The results differ by roundings. */
typedef enum mdrn_cuda_path {
    MDRN_CUDA_PATH_AUTO = 0, /**< fused where it can be and, on a small picture of its own that is
                                  enlarged first, agrees with cudnn; else cudnn */
    MDRN_CUDA_PATH_CUDNN,    /**< convolutions by cuDNN */
    MDRN_CUDA_PATH_FUSED,    /**< few kernels of its own, several times less traffic of memory: in
                                  fp16, and for models of 56 or 28 features, as the built-in ones
                                  are; an error elsewhere. It is not compared with cudnn */
} mdrn_cuda_path;

typedef enum mdrn_log_level {
    MDRN_LOG_ERROR = 0,
    MDRN_LOG_WARNING,
    MDRN_LOG_INFO,
    MDRN_LOG_VERBOSE,
} mdrn_log_level;

/** message: one sentence without a line end, valid during the call only. */
typedef void (*mdrn_log_callback)(void *opaque, mdrn_log_level level, const char *message);

/** What a context is opened with. Fill it with mdrn_settings_default() first. */
typedef struct mdrn_settings {
    size_t size;              /**< of this struct, set by mdrn_settings_default() */
    const char *model;        /**< "mdrn", "mdrn-s", or the path of a .safetensors file; read by mdrn_open() only */
    int scale;                /**< 2, 3, 4; 0 = the file's own, 2 for the built-in ones */
    mdrn_device device;
    int gpu;                  /**< index of a CUDA device; -1 = that of cuda_context, or the first */
    mdrn_precision precision;
    int threads;              /**< of the CPU; 0 = as many as the process may use */
    int async_depth;          /**< pictures in flight, at least 1; see mdrn_send() */
    uint64_t memory;          /**< bytes that maps may take; 0 = 80 % of what is available. Where
                                   they are few, a slower plan with the same result is warned of
                                   and taken; see mdrn_memory_needed() */
    mdrn_log_callback log;    /**< NULL = silent; called from the thread that calls mdrn_* */
    void *log_opaque;
    void *cuda_context;       /**< CUcontext lent for the life of the mdrn_context; NULL = its own */
    void *cuda_stream;        /**< CUstream of cuda_context, lent likewise; work is enqueued there */
    mdrn_cuda_path cuda_path; /**< of a GPU only */
    int reuse;                /**< 1: a picture in host memory that is the same as the one sent
                                   before, in every sample and in its colours, is not computed
                                   again: what came of that one is written once more, with the same
                                   bits in a small part of the time. 0: each one is computed */
} mdrn_settings;

/**
 * Fills settings with defaults (the built-in "mdrn", everything automatic).
 * @param size sizeof(mdrn_settings) as the caller was compiled with
 */
MDRN_API void mdrn_settings_default(mdrn_settings *settings, size_t size);

typedef struct mdrn_context mdrn_context;

/**
 * Reads the model and finds the device.
 * @param context receives the new context, NULL on failure; closed by the
 *                caller with mdrn_close()
 * @param settings copied; NULL = all defaults
 */
MDRN_API int mdrn_open(mdrn_context **context, const mdrn_settings *settings);

/** Ends all work, frees the context and sets *context to NULL. Accepts NULL. */
MDRN_API void mdrn_close(mdrn_context **context);

/** Times that a picture grows in width and in height: 2, 3 or 4. */
MDRN_API int mdrn_scale(const mdrn_context *context);

typedef enum mdrn_memory {
    MDRN_MEMORY_HOST = 0,
    MDRN_MEMORY_CUDA, /**< data[] are CUdeviceptr of settings.cuda_context */
} mdrn_memory;

typedef enum mdrn_color_model {
    MDRN_COLOR_GRAY = 0, /**< components: gray [, alpha] */
    MDRN_COLOR_YUV,      /**< components: Y, U, V [, alpha] */
    MDRN_COLOR_RGB,      /**< components: R, G, B [, alpha] */
} mdrn_color_model;

/**
 * Where one component's samples lie: sample x of row y is the little- or
 * big-endian word at data[plane] + y * stride[plane] + x * step + offset, its
 * value the depth bits from bit shift upwards. The word has 8 bits where
 * shift + depth <= 8, 16 bits up to 16, else 32.
 */
typedef struct mdrn_component {
    uint8_t plane;  /**< 0..3 */
    uint8_t step;   /**< bytes from one sample to the next; a row has as many for each sample */
    uint8_t offset; /**< bytes before the first sample of a row */
    uint8_t shift;  /**< bits below the value in its word */
    uint8_t depth;  /**< bits of the value: 1..16, or 16 or 32 for float */
} mdrn_component;

/**
 * How pixels lie in memory; the same for the picture sent and the one received.
 * In the picture received, bits of a word that belong to no component become 0,
 * and bytes in no component's word (the X of 0RGB) 255.
 */
typedef struct mdrn_layout {
    mdrn_color_model model;
    uint8_t components;     /**< 1..4; one more than the model's own = alpha, straight */
    uint8_t log2_chroma_w;  /**< U and V are 1 << log2_chroma_w times narrower, rounded up */
    uint8_t log2_chroma_h;
    uint8_t big_endian;     /**< 1: words of more than one byte are big-endian */
    uint8_t is_float;       /**< 1: IEEE half (depth 16) or single (depth 32) */
    mdrn_component component[4];
} mdrn_layout;

typedef enum mdrn_range {
    MDRN_RANGE_UNSPECIFIED = 0, /**< limited for YUV, full with matrix 0; gray and RGB are always
                                     full, and so is alpha */
    MDRN_RANGE_LIMITED,
    MDRN_RANGE_FULL,
} mdrn_range;

/** Where a chroma sample sits among its luma samples (H.273 ChromaLocType + 1). */
typedef enum mdrn_chroma_location {
    MDRN_CHROMA_UNSPECIFIED = 0, /**< left */
    MDRN_CHROMA_LEFT,
    MDRN_CHROMA_CENTER,
    MDRN_CHROMA_TOP_LEFT,
    MDRN_CHROMA_TOP,
    MDRN_CHROMA_BOTTOM_LEFT,
    MDRN_CHROMA_BOTTOM,
} mdrn_chroma_location;

/**
 * A picture. It and its planes belong to the caller. Host planes need no
 * alignment; a stride may be negative (data[] is then the last row in memory)
 * or larger than the row.
 */
typedef struct mdrn_image {
    size_t size;          /**< sizeof(mdrn_image) as the caller was compiled with */
    mdrn_memory memory;
    int width, height;    /**< in pixels, at least 1 */
    mdrn_layout layout;
    int matrix;           /**< H.273 MatrixCoefficients 0, 1, 2, 4 to 10 or 14; ignored for
                               gray and RGB. 2 = unspecified: 1 (BT.709) if the picture sent is
                               wider than 1279 or higher than 576, else 6 (BT.601). 0: Y, U, V
                               are G, B, R, and not subsampled */
    int transfer;         /**< H.273 TransferCharacteristics; 2 = unspecified. Matrix 14 (ICtCp)
                               needs 16 (PQ, also meant by 2) or 18 (HLG), matrix 10 (BT.2020
                               constant luminance) 1, 2, 6, 14 or 15. 8 (linear light) is warned
                               of; nothing else depends on it */
    mdrn_range range;
    mdrn_chroma_location chroma_location;
    void *data[4];        /**< first row of each plane */
    ptrdiff_t stride[4];  /**< bytes from one row to the next */
} mdrn_image;

/**
 * The least bytes with which pictures of width x height can be enlarged:
 * settings.memory must be at least that. Up to a quarter more is taken where it
 * may be, which saves up to a tenth of the time. The model (a few MiB), the
 * conversion of colours (some rows; with alpha 4 bytes a pixel) and the copy of a
 * picture that settings.reuse takes are not counted.
 */
MDRN_API int mdrn_memory_needed(const mdrn_context *context, int width, int height,
                                uint64_t *bytes);

/**
 * Allocates all memory for pictures of width x height, as the first mdrn_send()
 * of that size would; for callers that want its error early. Nothing may be in
 * flight.
 */
MDRN_API int mdrn_prepare(mdrn_context *context, int width, int height);

/**
 * Sends a picture and says where its enlargement shall go.
 *
 * @param in     the small picture; NULL = no more pictures: drain
 * @param out    mdrn_scale() times as wide and as high, with the layout, matrix,
 *               transfer, range and chroma location of in; its planes do not overlap in's
 * @param opaque given back by mdrn_receive()
 * @return 0; MDRN_AGAIN where settings.async_depth pictures are in flight;
 *         MDRN_EOF after a drain was asked for and before mdrn_flush(); an
 *         error for a picture that cannot be enlarged: it is not in flight then
 *
 * The structs are copied; the planes stay the caller's and must stay valid
 * and, in's, unchanged until mdrn_receive() gives the picture back. A picture
 * of another size than the last one is accepted where nothing is in flight,
 * else answered with MDRN_AGAIN.
 */
MDRN_API int mdrn_send(mdrn_context *context, const mdrn_image *in, const mdrn_image *out,
                       void *opaque);

/**
 * Gives back the oldest picture in flight.
 *
 * @param opaque receives what was sent with it; may be NULL
 * @return 0; MDRN_AGAIN where fewer than settings.async_depth pictures are in
 *         flight and no drain was asked for; MDRN_EOF where drained; an error
 *         if this picture failed: it is given back all the same, its planes
 *         holding anything
 *
 * Host memory is complete when this returns. CUDA memory is complete when
 * what has been enqueued on the stream by then is.
 */
MDRN_API int mdrn_receive(mdrn_context *context, void **opaque);

/**
 * Drops what is in flight, waits until no plane of the caller's is in use any
 * more, and takes pictures again, also after a drain.
 */
MDRN_API void mdrn_flush(mdrn_context *context);

/** The stages of the network, and what lies before and behind it. */
typedef enum mdrn_stage {
    MDRN_STAGE_UNPACK = 0, /**< from the picture's layout and colours to RGB */
    MDRN_STAGE_HEAD,
    MDRN_STAGE_DISTILL,    /**< this and the next three: once in each of eight blocks */
    MDRN_STAGE_MDSA,
    MDRN_STAGE_ECCA,
    MDRN_STAGE_GATHER,
    MDRN_STAGE_TAIL,
    MDRN_STAGE_PACK,       /**< from RGB to the picture's layout and colours */
    MDRN_STAGES,
} mdrn_stage;

/** What a context has done since it was opened. */
typedef struct mdrn_statistics {
    size_t size;
    uint64_t pictures; /**< sent */
    uint64_t reused;   /**< those of them that were not computed; see settings.reuse */
    double seconds;    /**< from the first picture sent to the last one received */
    double stage_seconds[MDRN_STAGES]; /**< of computation, by mdrn_stage; all 0 on a GPU */
} mdrn_statistics;

/**
 * Fills statistics; may be called at any time. mdrn_close() tells the same to
 * settings.log at level MDRN_LOG_VERBOSE.
 * @param size sizeof(mdrn_statistics) as the caller was compiled with
 */
MDRN_API void mdrn_get_statistics(const mdrn_context *context, mdrn_statistics *statistics,
                                  size_t size);

#ifdef __cplusplus
}
#endif

#endif /* MDRN_H */
