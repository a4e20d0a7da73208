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
        case IL_ITEM_F64: return true;
        default: return false;
    }
}

Result<Value> copy(const il_value& value, int depth);

Result<Value> copy_buffer(const il_buffer* view) {
    if (view == nullptr) return malformed("a buffer without a description");
    if (!known_item(view->item)) return malformed("a buffer with item type " + std::to_string(view->item));
    if (view->dimensions == 0 || view->dimensions > IL_MAX_DIMENSIONS)
        return malformed("a buffer with " + std::to_string(view->dimensions) + " dimensions");
    Buffer buffer;
    buffer.item = view->item;
    std::size_t bytes = IL_ITEM_SIZE(view->item);
    for (std::uint32_t d = 0; d < view->dimensions; ++d) {
        if (__builtin_mul_overflow(bytes, view->shape[d], &bytes)) return malformed("a buffer larger than memory");
        buffer.shape.push_back(view->shape[d]);
    }
    if (bytes != 0 && view->data == nullptr) return malformed("a buffer without memory");
    if (view->owner != nullptr) {
        buffer.data = view->data;
        buffer.writable = view->writable != 0;
        buffer.owner = HandleRef(detail::share(view->owner));
    } else {
        buffer.storage = std::make_shared<std::vector<std::uint8_t>>(bytes);
        if (bytes != 0) std::memcpy(buffer.storage->data(), view->data, bytes);
        buffer.data = buffer.storage->data();
        buffer.writable = true;
    }
    return Value(std::move(buffer));
}

Result<Value> copy_list(const il_list& list, int depth) {
    if (list.count != 0 && list.items == nullptr) return malformed("a list without items");
    List copied;
    copied.reserve(list.count);
    for (std::size_t i = 0; i < list.count; ++i) {
        Result<Value> item = copy(list.items[i], depth + 1);
        if (!item) return item;
        copied.push_back(std::move(*item));
    }
    return Value(std::move(copied));
}

Result<Value> copy_map(const il_map& map, int depth) {
    if (map.count != 0 && map.entries == nullptr) return malformed("a map without entries");
    Map copied;
    copied.reserve(map.count);
    for (std::size_t i = 0; i < map.count; ++i) {
        const il_string& key = map.entries[i].key;
        if (key.size != 0 && key.data == nullptr) return malformed("a key without text");
        if (!exists(key.size)) return malformed("something larger than memory");
        Result<Value> item = copy(map.entries[i].value, depth + 1);
        if (!item) return item;
        copied.emplace_back(key.size == 0 ? std::string() : std::string(key.data, key.size), std::move(*item));
    }
    return Value(std::move(copied));
}

Result<Value> copy(const il_value& value, int depth) {
    if (depth > max_depth) return malformed("lists or maps nested more than 64 deep");
    switch (value.type) {
        case IL_NULL: return Value();
        case IL_BOOL: return Value(value.as.boolean != 0);
        case IL_INT64: return Value(value.as.int64);
        case IL_DOUBLE: return Value(value.as.real);
        case IL_STRING:
            if (value.as.string.size == 0) return Value(std::string());
            if (value.as.string.data == nullptr) return malformed("a string without text");
            if (!exists(value.as.string.size)) return malformed("something larger than memory");
            return Value(std::string(value.as.string.data, value.as.string.size));
        case IL_BYTES: {
            if (value.as.bytes.size == 0) return Value(Bytes{});
            if (value.as.bytes.data == nullptr) return malformed("bytes without memory");
            if (!exists(value.as.bytes.size)) return malformed("something larger than memory");
            const auto* first = static_cast<const std::uint8_t*>(value.as.bytes.data);
            return Value(Bytes{{first, first + value.as.bytes.size}});
        }
        case IL_BUFFER: return copy_buffer(value.as.buffer);
        case IL_LIST: return copy_list(value.as.list, depth);
        case IL_MAP: return copy_map(value.as.map, depth);
        case IL_HANDLE:
            if (value.as.handle == nullptr) return malformed("a handle that is null");
            return Value(HandleRef(detail::share(value.as.handle)));
        default: return malformed("type " + std::to_string(value.type));
    }
}

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

template <typename T> Json items_of(const Buffer& buffer) {
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
        case IL_ITEM_U8: return shown("u8", items_of<std::uint8_t>(buffer));
        case IL_ITEM_I8: return shown("i8", items_of<std::int8_t>(buffer));
        case IL_ITEM_U16: return shown("u16", items_of<std::uint16_t>(buffer));
        case IL_ITEM_I16: return shown("i16", items_of<std::int16_t>(buffer));
        case IL_ITEM_U32: return shown("u32", items_of<std::uint32_t>(buffer));
        case IL_ITEM_I32: return shown("i32", items_of<std::int32_t>(buffer));
        case IL_ITEM_F32: return shown("f32", items_of<float>(buffer));
        case IL_ITEM_U64: return shown("u64", items_of<std::uint64_t>(buffer));
        case IL_ITEM_I64: return shown("i64", items_of<std::int64_t>(buffer));
        case IL_ITEM_F64: return shown("f64", items_of<double>(buffer));
        default: return shown("unknown", Json::array());
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
        Json operator()(const Buffer& buffer) const { return buffer_json(buffer); }
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

Result<Value> Value::copy_of(const il_value& value) {
    try {
        return copy(value, 0);
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

void Value::wrong_type() const {
    throw Failure({Errc::invalid_argument, std::string("the value is of type ") + type_names[type()] +
                                               ", which is not the type that was asked for"});
}

}  // namespace interlock
