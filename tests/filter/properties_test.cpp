// SPDX-License-Identifier: BSD-2-Clause
// What a frame carries beside its planes: kept as FFmpeg's own scale filter keeps it.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "harness.h"

extern "C" {
#include <libavutil/dict.h>
#include <libavutil/film_grain_params.h>
#include <libavutil/hdr_dynamic_metadata.h>
#include <libavutil/mastering_display_metadata.h>
}

namespace filter_test {
namespace {

const Source kSource = {AV_PIX_FMT_YUV420P, 16, 12, AVCOL_SPC_BT2020_NCL, AVCOL_RANGE_MPEG};
const std::string kScale = "scale=iw*2:ih*2";

// Says where in the picture something is, or how large it is.
const std::set<int> kSizeDependent = {
    AV_FRAME_DATA_PANSCAN,
    AV_FRAME_DATA_MOTION_VECTORS,
    AV_FRAME_DATA_REGIONS_OF_INTEREST,
    AV_FRAME_DATA_DETECTION_BBOXES,
    AV_FRAME_DATA_SPHERICAL,
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(59, 0, 100)
    AV_FRAME_DATA_LCEVC,
    AV_FRAME_DATA_VIDEO_HINT,
#endif
};

std::vector<AVFrameSideDataType> all_types() {
    std::vector<AVFrameSideDataType> types;
    for (int type = 0; type < 256; ++type)
        if (av_frame_side_data_name(AVFrameSideDataType(type)))
            types.push_back(AVFrameSideDataType(type));
    return types;
}

// One of every kind that this FFmpeg knows.
Frame frame_with_side_data() {
    Frame frame = make_frame(kSource);
    av_mastering_display_metadata_create_side_data(frame.get())->has_luminance = 1;
    av_content_light_metadata_create_side_data(frame.get())->MaxCLL = 1000;
    av_dynamic_hdr_plus_create_side_data(frame.get())->num_windows = 1;
    av_film_grain_params_create_side_data(frame.get())->seed = 7;
    for (const AVFrameSideDataType type : all_types()) {
        if (av_frame_get_side_data(frame.get(), type)) continue;
        AVFrameSideData *data = av_frame_new_side_data(frame.get(), type, 1024);
        std::fill_n(data->data, data->size, uint8_t(0));
        data->data[data->size - 1] = uint8_t(type + 1);
        av_dict_set(&data->metadata, "of", "side data", 0);
    }
    return frame;
}

using SideData = std::multimap<int, std::vector<uint8_t>>;

SideData side_data(const AVFrame *frame) {
    SideData all;
    for (int i = 0; i < frame->nb_side_data; ++i) {
        const AVFrameSideData *data = frame->side_data[i];
        all.emplace(data->type, std::vector<uint8_t>(data->data, data->data + data->size));
    }
    return all;
}

TEST(SideData, IsKeptAsScaleKeepsItButForWhatDependsOnTheSize) {
    const Frame frame = frame_with_side_data();
    ASSERT_GT(frame->nb_side_data, 20);
    const Frame scaled = filtered(kScale, kSource, frame.get());
    const Frame got = filtered(mdrn(), kSource, frame.get());
    ASSERT_TRUE(scaled && got);
    SideData want = side_data(scaled.get());
    for (const int type : kSizeDependent) want.erase(type);
    ASSERT_GT(want.size(), 15u);
    EXPECT_EQ(side_data(got.get()), want);
    for (int i = 0; i < got->nb_side_data; ++i) {
        const AVFrameSideData *data = got->side_data[i];
        const AVFrameSideData *sent = av_frame_get_side_data(frame.get(), data->type);
        EXPECT_EQ(av_dict_count(data->metadata), av_dict_count(sent->metadata)) << data->type;
    }
}

TEST(SideData, OfHdrStays) {
    const Frame got = filtered(mdrn(), kSource, frame_with_side_data().get());
    ASSERT_TRUE(got);
    for (const AVFrameSideDataType type :
         {AV_FRAME_DATA_MASTERING_DISPLAY_METADATA, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL,
          AV_FRAME_DATA_DYNAMIC_HDR_PLUS, AV_FRAME_DATA_DOVI_RPU_BUFFER,
          AV_FRAME_DATA_DOVI_METADATA, AV_FRAME_DATA_A53_CC, AV_FRAME_DATA_ICC_PROFILE})
        EXPECT_TRUE(av_frame_get_side_data(got.get(), type)) << av_frame_side_data_name(type);
}

TEST(SideData, MayBeMuchOrEmpty) {
    const Frame frame = make_frame(kSource);
    ASSERT_TRUE(av_frame_new_side_data(frame.get(), AV_FRAME_DATA_ICC_PROFILE, 32 << 20));
    for (int i = 0; i < 200; ++i) {
        av_frame_new_side_data(frame.get(), AV_FRAME_DATA_SEI_UNREGISTERED, i);
        av_frame_new_side_data(frame.get(), AV_FRAME_DATA_REGIONS_OF_INTEREST, i);
    }
    const Frame got = filtered(mdrn(), kSource, frame.get());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->nb_side_data, 201);
    EXPECT_EQ(frame->nb_side_data, 401);
}

#if LIBAVFILTER_VERSION_MAJOR >= 11
// What holds for the whole stream is on the links.
TEST(SideData, OfTheLinkIsKeptAsScaleKeepsIt) {
    const auto types = [](const std::string &filters) {
        Source source = kSource;
        source.side_data = {AV_FRAME_DATA_CONTENT_LIGHT_LEVEL, AV_FRAME_DATA_SPHERICAL};
        Graph graph(filters, source);
        EXPECT_GE(graph.configure(), 0);
        int count = 0;
        const AVFrameSideData *const *data = av_buffersink_get_side_data(graph.sink(), &count);
        std::set<int> result;
        for (int i = 0; i < count; ++i) result.insert(data[i]->type);
        return result;
    };
    EXPECT_EQ(types("null").size(), 2u);
    EXPECT_EQ(types(mdrn()), types(kScale));
    EXPECT_EQ(types(mdrn()).size(), 1u);
}
#endif

TEST(Properties, AreTheInputs) {
    const Frame frame = make_frame(kSource);
    frame->pict_type = AV_PICTURE_TYPE_B;
    frame->repeat_pict = 1;
    frame->quality = 5;
    frame->opaque = frame.get();
    frame->opaque_ref = av_buffer_allocz(8);
    frame->sample_aspect_ratio = {1, 1};
    frame->color_primaries = AVCOL_PRI_BT2020;
    frame->color_trc = AVCOL_TRC_SMPTE2084;
    frame->chroma_location = AVCHROMA_LOC_TOPLEFT;
    frame->decode_error_flags = FF_DECODE_ERROR_MISSING_REFERENCE;
    frame->best_effort_timestamp = 17;
    frame->pkt_dts = 13;
    av_dict_set(&frame->metadata, "lavfi.scene_score", "0.5", 0);
    av_dict_set(&frame->metadata, "title", "a: b=c;\n", 0);

    const Frame got = filtered(mdrn(), kSource, frame.get());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->pict_type, frame->pict_type);
    EXPECT_EQ(got->flags, frame->flags);
    EXPECT_EQ(got->repeat_pict, frame->repeat_pict);
    EXPECT_EQ(got->quality, frame->quality);
    EXPECT_EQ(got->opaque, frame->opaque);
    ASSERT_TRUE(got->opaque_ref);
    EXPECT_EQ(got->opaque_ref->data, frame->opaque_ref->data);
    EXPECT_EQ(av_cmp_q(got->sample_aspect_ratio, frame->sample_aspect_ratio), 0);
    EXPECT_EQ(got->color_primaries, frame->color_primaries);
    EXPECT_EQ(got->color_trc, frame->color_trc);
    EXPECT_EQ(got->colorspace, frame->colorspace);
    EXPECT_EQ(got->color_range, frame->color_range);
    EXPECT_EQ(got->chroma_location, frame->chroma_location);
    EXPECT_EQ(got->decode_error_flags, frame->decode_error_flags);
    EXPECT_EQ(got->best_effort_timestamp, frame->best_effort_timestamp);
    EXPECT_EQ(got->pkt_dts, frame->pkt_dts);
    EXPECT_EQ(av_dict_count(got->metadata), 2);
    EXPECT_STREQ(av_dict_get(got->metadata, "title", nullptr, 0)->value, "a: b=c;\n");
}

// A decoder's frame may have its coded size and say what of it is the picture.
TEST(Properties, CropFieldsGrowWithThePicture) {
    const Frame frame = make_frame(kSource);
    frame->crop_left = 1;
    frame->crop_right = 2;
    frame->crop_top = 3;
    frame->crop_bottom = 4;
    const Frame got = filtered(mdrn("scale=3"), kSource, frame.get());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->width, 48);
    EXPECT_EQ(got->height, 36);
    EXPECT_EQ(got->crop_left, 3u);
    EXPECT_EQ(got->crop_right, 6u);
    EXPECT_EQ(got->crop_top, 9u);
    EXPECT_EQ(got->crop_bottom, 12u);
    ASSERT_EQ(av_frame_apply_cropping(got.get(), AV_FRAME_CROP_UNALIGNED), 0);
    EXPECT_EQ(got->width, 39);
    EXPECT_EQ(got->height, 15);
}

}  // namespace
}  // namespace filter_test
