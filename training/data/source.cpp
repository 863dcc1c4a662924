// SPDX-License-Identifier: BSD-2-Clause
#include "source.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "database.h"
#include "video.h"

namespace mdrn::training {
namespace {

namespace fs = std::filesystem;

const std::set<std::string> kPictures = {
    "avif", "bmp", "dpx", "exr", "gif", "hdr", "heic", "j2k",  "jp2", "jpeg", "jpg",
    "jxl",  "pam", "pbm", "pcx", "pfm", "pgm", "pgx",  "png",  "pnm", "ppm",  "psd",
    "qoi",  "ras", "sgi", "sun", "tga", "tif", "tiff", "webp", "xbm", "xpm",  "xwd"};
const std::set<std::string> kVideos = {"3gp", "avi",  "flv",  "m2ts", "m4v", "mkv", "mov",
                                       "mp4", "mpeg", "mpg",  "mts",  "mxf", "nut", "ogv",
                                       "ts",  "vob",  "webm", "wmv",  "y4m"};

std::string ending(const fs::path &path) {
    std::string text = path.extension().string();
    if (!text.empty()) text.erase(0, 1);
    for (char &c : text) c = char(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

class Search {
public:
    explicit Search(std::vector<std::string> &problems) : problems_(problems) {}

    // relative: the path's name below the root, which says what the picture is.
    void add_file(const fs::path &path, const std::string &relative) {
        if (kPictures.count(ending(path))) add({path, "", -1}, relative);
        if (kVideos.count(ending(path))) add_video(path, relative);
    }

    void add_lmdb(const fs::path &path, const std::string &folder) {
        for (const std::string &key : lmdb_keys(path)) add({path, key, -1}, folder + key + ".png");
    }

    // folder: "" or the path below the root and "/".
    void add_folder(const fs::path &path, const std::string &folder) {
        if (is_lmdb(path)) return add_lmdb(path, folder);
        std::error_code error;
        const fs::path real = fs::canonical(path, error);
        if (!error && !entered_.insert(real).second) return;  // by another link
        fs::directory_iterator entries(path, error);
        if (error) throw std::runtime_error(path.string() + ": cannot be read: " + error.message());
        for (const fs::directory_entry &entry : entries) {
            const std::string relative = folder + entry.path().filename().string();
            try {
                if (entry.is_directory(error))
                    add_folder(entry.path(), relative + "/");
                else
                    add_file(entry.path(), relative);
            } catch (const std::runtime_error &problem) {
                problems_.push_back(problem.what());
            }
        }
    }

    void add_list(const fs::path &path) {
        std::ifstream stream(path);
        if (!stream) throw std::runtime_error(path.string() + ": cannot be read");
        const auto list = nlohmann::json::parse(stream, nullptr, false);
        const std::string expected =
            ": expected a list of {\"path\": …} or {\"path_gt\": …, \"path_lq\": …}";
        if (!list.is_array()) throw std::runtime_error(path.string() + expected);
        for (size_t i = 0; i < list.size(); ++i) {
            bool any = false;
            for (const char *field : {"path", "path_gt", "path_lq"}) {
                if (!list[i].is_object() || !list[i].contains(field) || !list[i][field].is_string())
                    continue;
                const auto relative = list[i][field].get<std::string>();
                add_listed(path, relative, field);
                any = true;
            }
            if (!any)
                throw std::runtime_error(path.string() + ", entry " + std::to_string(i) + expected);
        }
    }

    std::vector<Found> found;

private:
    void add(const Source &source, const std::string &relative) {
        found.push_back({source, name_of(relative)});
    }

    void add_video(const fs::path &path, const std::string &relative) {
        const int seconds = seconds_of(path);
        const std::string stem = relative.substr(0, relative.rfind('.'));
        for (int second = 0; second < seconds; ++second) {
            const std::string number = std::to_string(second);
            const std::string digits(6 - std::min<size_t>(number.size(), 6), '0');
            add({path, "", second}, stem + "_t" + digits + number + ".png");
        }
    }

    // LSDIR's lists lie beside the folder that their name begins with, or in it.
    void add_listed(const fs::path &list, const std::string &relative, const std::string &field) {
        const std::string stem = list.stem().string();
        const fs::path beside = list.parent_path();
        fs::path path = beside / relative;
        std::error_code error;
        for (const fs::path &other :
             {beside / stem / relative, beside / stem.substr(0, stem.find('_')) / relative})
            if (!exists(path, error) && exists(other, error)) path = other;
        const size_t before = found.size();
        add_file(path, relative);
        for (size_t i = before; i < found.size(); ++i) {
            if (field == "path_lq") found[i].name.kind = PictureName::Kind::kLow;
            if (field == "path_gt") found[i].name.kind = PictureName::Kind::kHigh;
        }
    }

    std::vector<std::string> &problems_;
    std::set<fs::path> entered_;
};

}  // namespace

std::string Source::text() const {
    if (!key.empty()) return path.string() + ", " + key;
    return second < 0 ? path.string() : path.string() + ", second " + std::to_string(second);
}

std::optional<Picture> read(const Source &source) {
    if (!source.key.empty())
        return decode_picture(lmdb_value(source.path, source.key), source.text());
    return source.second < 0 ? read_picture(source.path) : read_second(source.path, source.second);
}

std::vector<Found> find_pictures(const fs::path &root, std::vector<std::string> &problems) {
    Search search(problems);
    std::error_code error;
    if (fs::is_directory(root, error))
        search.add_folder(root, "");
    else if (!exists(root, error))
        throw std::runtime_error(root.string() + ": no such file or folder");
    else if (ending(root) == "json")
        search.add_list(root);
    else
        search.add_file(root, root.filename().string());
    if (search.found.empty())
        throw std::runtime_error(root.string() + ": holds no pictures or videos" +
                                 (problems.empty() ? "" : "; " + problems.back()));
    std::sort(search.found.begin(), search.found.end(), [](const Found &a, const Found &b) {
        return std::pair(a.name.key, a.source.text()) < std::pair(b.name.key, b.source.text());
    });
    return std::move(search.found);
}

}  // namespace mdrn::training
