// Values on the host's side (value.hpp): copying them out of a call, showing them as JSON.
//
// SPDX-License-Identifier: MIT
#include <interlock/value.hpp>

#include <cmath>
#include <cstring>
#include <limits>

#include <interlock/escape.hpp>
#include <nlohmann/json.hpp>

#include "handle.hpp"
#include "lent.hpp"

namespace interlock {

namespace {

constexpr int max_depth = 64;
constexpr std::array<const char*, 10> type_names = {"null",  "bool",   "int64", "double", "string",
                                                    "bytes", "buffer", "list",  "map",    "handle"};

Error malformed(const std::string& what) {
    return {Errc::call_failed, "the module returned a malformed value: " + what};
}

/// Whether memory of that size can be there at all. The library adds it to pointers before it looks at it.
bool exists(std::size_t size) noexcept { return size <= PTRDIFF_MAX; }

bool known_item(il_item item) noexcept {
    switch (item) {
        case IL_ITEM_U8:
        case IL_ITEM_I8:
        case IL_ITEM_U16:
        case IL_ITEM_I16:
        case IL_ITEM_U32:
        case IL_ITEM_I32:
        case IL_ITEM_F32:
        case IL_ITEM_U64:
        case IL_ITEM_I64:
        case IL_ITEM_F64:
            return true;
        default:
            return false;
    }
}

/// Copies into place: a Result for each item of a list would cost more than the item.
class Copier {
public:
    explicit Copier(const ValueLimits& limits) : limits_(limits), left_(limits) {}

    bool copy(const il_value& value, Value& out, int depth) {
        switch (value.type) {
            case IL_NULL:
                return true;
            case IL_BOOL:
                return out = Value(value.as.boolean != 0), true;
            case IL_INT64:
                return out = Value(value.as.int64), true;
            case IL_DOUBLE:
                return out = Value(value.as.real), true;
            case IL_STRING: {
                std::string text;
                if (!copy_text(value.as.string, without_text, text)) return false;
                return out = Value(std::move(text)), true;
            }
            case IL_BYTES:
                return copy_bytes(value.as.bytes, out);
            case IL_BUFFER:
                return copy_buffer(value.as.buffer, out);
            case IL_LIST:
                return copy_list(value.as.list, out, depth);
            case IL_MAP:
                return copy_map(value.as.map, out, depth);
            case IL_HANDLE:
                if (value.as.handle == nullptr) return wrong("a handle that is null");
                return out = Value(HandleRef(detail::share(value.as.handle))), true;
            default:
                return wrong("type " + std::to_string(value.type));
        }
    }

    Error error() const { return malformed(what_); }

private:
    bool wrong(std::string what) { return what_ = std::move(what), false; }

    bool take_values(std::size_t count) {
        if (count > left_.values)
            return wrong("lists and maps with more than " + std::to_string(limits_.values) +
                         " values, where what is in it several times counts each time; return a buffer, or raise "
                         "LoaderOptions::value_limits");
        return left_.values -= count, true;
    }

    bool take_bytes(std::size_t count) {
        if (!exists(count)) return wrong("something larger than memory");
        if (count > left_.bytes)
            return wrong(
                "more than " + std::to_string(limits_.bytes) +
                " bytes, where what is in it several times counts each time; return a buffer with an owner, or "
                "raise LoaderOptions::value_limits");
        return left_.bytes -= count, true;
    }

    bool copy_text(const il_string& text, const char* without, std::string& out) {
        if (text.size == 0) return true;
        if (text.data == nullptr) return wrong(without);
        if (!take_bytes(text.size)) return false;
        return out.assign(text.data, text.size), true;
    }

    bool copy_bytes(const il_bytes& bytes, Value& out) {
        if (bytes.size == 0) return out = Value(Bytes{}), true;
        if (bytes.data == nullptr) return wrong("bytes without memory");
        if (!take_bytes(bytes.size)) return false;
        const auto* first = static_cast<const std::uint8_t*>(bytes.data);
        return out = Value(Bytes{{first, first + bytes.size}}), true;
    }

    bool copy_buffer(const il_buffer* view, Value& out) {
        if (view == nullptr) return wrong("a buffer without a description");
        if (!known_item(view->item)) return wrong("a buffer with item type " + std::to_string(view->item));
        if (view->dimensions == 0 || view->dimensions > IL_MAX_DIMENSIONS)
            return wrong("a buffer with " + std::to_string(view->dimensions) + " dimensions");
        Buffer buffer;
        buffer.item = view->item;
        std::size_t bytes = IL_ITEM_SIZE(view->item);
        for (std::uint32_t d = 0; d < view->dimensions; ++d) {
            if (__builtin_mul_overflow(bytes, view->shape[d], &bytes)) return wrong("a buffer larger than memory");
            buffer.shape.push_back(view->shape[d]);
        }
        if (bytes != 0 && view->data == nullptr) return wrong("a buffer without memory");
        if (view->owner != nullptr) {
            buffer.data = view->data;
            buffer.writable = view->writable != 0;
            buffer.owner = HandleRef(detail::share(view->owner));
        } else {
            if (!take_bytes(bytes)) return false;
            const auto* first = static_cast<const std::uint8_t*>(view->data);
            buffer.storage = bytes == 0 ? std::make_shared<std::vector<std::uint8_t>>()
                                        : std::make_shared<std::vector<std::uint8_t>>(first, first + bytes);
            buffer.data = buffer.storage->data();
            buffer.writable = true;
        }
        return out = Value(std::move(buffer)), true;
    }

    /// Apart, as the loop over numbers is quicker without it.
    [[gnu::noinline]] bool add_text(const il_string& text, List& list) {
        std::string copied;
        if (!copy_text(text, without_text, copied)) return false;
        return list.emplace_back(std::move(copied)), true;
    }

    bool copy_list(const il_list& list, Value& out, int depth) {
        if (depth == max_depth && list.count != 0) return wrong("lists or maps nested more than 64 deep");
        if (list.count != 0 && list.items == nullptr) return wrong("a list without items");
        if (!take_values(list.count)) return false;
        List copied;
        copied.reserve(list.count);
        for (std::size_t i = 0; i < list.count; ++i) {
            const il_value& item = list.items[i];
            if (item.type == IL_INT64)
                copied.emplace_back(item.as.int64);
            else if (item.type == IL_DOUBLE)
                copied.emplace_back(item.as.real);
            else if (item.type == IL_STRING ? !add_text(item.as.string, copied)
                                            : !copy(item, copied.emplace_back(), depth + 1))
                return false;
        }
        return out = Value(std::move(copied)), true;
    }

    bool copy_map(const il_map& map, Value& out, int depth) {
        if (depth == max_depth && map.count != 0) return wrong("lists or maps nested more than 64 deep");
        if (map.count != 0 && map.entries == nullptr) return wrong("a map without entries");
        if (!take_values(map.count)) return false;
        Map copied;
        copied.reserve(map.count);
        for (std::size_t i = 0; i < map.count; ++i) {
            auto& [key, value] = copied.emplace_back();
            if (!copy_text(map.entries[i].key, "a key without text", key)) return false;
            if (!copy(map.entries[i].value, value, depth + 1)) return false;
        }
        return out = Value(std::move(copied)), true;
    }

    static constexpr const char* without_text = "a string without text";
    const ValueLimits limits_;
    ValueLimits left_;
    std::string what_;
};

using Json = nlohmann::ordered_json;

std::string base64(const std::vector<std::uint8_t>& data) {
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    text.reserve((data.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < data.size(); i += 3) {
        const std::size_t left = data.size() - i;
        const unsigned group = data[i] << 16 | (left > 1 ? data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);
        text += digits[group >> 18 & 63];
        text += digits[group >> 12 & 63];
        text += left > 1 ? digits[group >> 6 & 63] : '=';
        text += left > 2 ? digits[group & 63] : '=';
    }
    return text;
}

template <typename T>
Json items_of(const Buffer& buffer) {
    detail::Lent lent;
    if (buffer.owner.get() != nullptr && !lent.add(buffer.owner.get())) return nullptr;
    Json items = Json::array();
    for (std::size_t i = 0; i < buffer.count(); ++i) {
        T item;
        std::memcpy(&item, static_cast<const unsigned char*>(buffer.data) + i * sizeof(T), sizeof(T));
        if constexpr (std::is_floating_point_v<T>) {
            if (!std::isfinite(item)) {
                items.push_back(nullptr);
                continue;
            }
        }
        items.push_back(item);
    }
    return items;
}

Json buffer_json(const Buffer& buffer) {
    const auto shown = [&](const char* name, Json items) {
        return Json{{"item", name}, {"shape", buffer.shape}, {"data", std::move(items)}};
    };
    switch (buffer.item) {
        case IL_ITEM_U8:
            return shown("u8", items_of<std::uint8_t>(buffer));
        case IL_ITEM_I8:
            return shown("i8", items_of<std::int8_t>(buffer));
        case IL_ITEM_U16:
            return shown("u16", items_of<std::uint16_t>(buffer));
        case IL_ITEM_I16:
            return shown("i16", items_of<std::int16_t>(buffer));
        case IL_ITEM_U32:
            return shown("u32", items_of<std::uint32_t>(buffer));
        case IL_ITEM_I32:
            return shown("i32", items_of<std::int32_t>(buffer));
        case IL_ITEM_F32:
            return shown("f32", items_of<float>(buffer));
        case IL_ITEM_U64:
            return shown("u64", items_of<std::uint64_t>(buffer));
        case IL_ITEM_I64:
            return shown("i64", items_of<std::int64_t>(buffer));
        case IL_ITEM_F64:
            return shown("f64", items_of<double>(buffer));
        default:
            return shown("unknown", Json::array());
    }
}

Json json_of(const Value& value) {
    struct Visitor {
        Json operator()(std::monostate) const { return nullptr; }
        Json operator()(bool boolean) const { return boolean; }
        Json operator()(std::int64_t number) const { return number; }
        Json operator()(double number) const { return std::isfinite(number) ? Json(number) : Json(nullptr); }
        Json operator()(const std::string& text) const { return text; }
        Json operator()(const Bytes& bytes) const { return Json{{"bytes", base64(bytes.data)}}; }
        Json operator()(const detail::Boxed<Buffer>& buffer) const { return buffer_json(*buffer); }
        Json operator()(const List& list) const {
            Json array = Json::array();
            for (const Value& item : list) array.push_back(json_of(item));
            return array;
        }
        Json operator()(const Map& map) const {
            Json object = Json::object();
            for (const auto& [key, item] : map) object[key] = json_of(item);
            return object;
        }
        Json operator()(const HandleRef& handle) const { return Json{{"handle", handle.type_name()}}; }
    };
    return std::visit(Visitor{}, value.content());
}

}  // namespace

std::size_t Buffer::count() const noexcept {
    std::size_t items = 1;
    for (std::size_t extent : shape) items *= extent;
    return shape.empty() ? 0 : items;
}

bool Buffer::operator==(const Buffer& other) const {
    detail::Lent lent;
    for (const Buffer* buffer : {this, &other})
        if (buffer->owner.get() != nullptr && !lent.add(buffer->owner.get())) return false;
    return item == other.item && shape == other.shape &&
           (size_bytes() == 0 || std::memcmp(data, other.data, size_bytes()) == 0);
}

Result<Value> Value::copy_of(const il_value& value, const ValueLimits& limits) {
    try {
        Copier copier(limits);
        Value copied;
        if (!copier.copy(value, copied, 0)) return copier.error();
        return copied;
    } catch (const std::exception&) {  // a size of 2^60: std::length_error, std::bad_alloc
        return malformed("something larger than memory");
    }
}

const Value* Value::find(std::string_view key) const noexcept {
    const Map* map = get_if<Map>();
    if (map == nullptr) return nullptr;
    for (auto entry = map->rbegin(); entry != map->rend(); ++entry)
        if (entry->first == key) return &entry->second;
    return nullptr;
}

std::string Value::to_json() const {
    return json_of(*this).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Pinned::Pinned(const Value& value) : lent_(std::make_unique<detail::Lent>()), pinned_(lent_->add(value).ok()) {}

Pinned::~Pinned() = default;

void Value::too_large(std::uint64_t number) {
    throw Failure({Errc::invalid_argument, "the number " + std::to_string(number) +
                                               " is too large for a value: integers have 64 bits with a sign"});
}

void Value::wrong_type() const {
    throw Failure({Errc::invalid_argument, std::string("the value is of type ") + type_names[type()] +
                                               ", which is not the type that was asked for"});
}

}  // namespace interlock
