#include "store/redis/resp.hpp"

#include <hiredis/hiredis.h>

#include <charconv>
#include <new>
#include <vector>

namespace tidegate::redis {
namespace {

/// Counts what one reply is made of.
struct Bounds {
  std::size_t elements = 0;
};

Reply* place_for(const redisReadTask* task) {
  try {
    if (task->parent == nullptr) return new Reply;
    auto* const parent = static_cast<Reply*>(task->parent->obj);
    return &parent->elements[static_cast<std::size_t>(task->idx)];
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

Reply::Kind kind_of(int type) {
  return type == REDIS_REPLY_ERROR    ? Reply::Kind::error
         : type == REDIS_REPLY_STATUS ? Reply::Kind::status
                                      : Reply::Kind::text;
}

// What the reader calls for each part of a reply; null stops it. Nothing may throw through it.

void* create_string(const redisReadTask* task, char* text, std::size_t size) {
  Reply* const reply = place_for(task);
  if (reply == nullptr) return nullptr;
  try {
    reply->kind = kind_of(task->type);
    reply->text.assign(text, size);
  } catch (const std::bad_alloc&) {
    if (task->parent == nullptr) delete reply;
    return nullptr;
  }
  return reply;
}

void* create_array(const redisReadTask* task, int elements) {
  auto* const bounds = static_cast<Bounds*>(task->privdata);
  if (elements < 0 ||
      static_cast<std::size_t>(elements) > ReplyReader::kMaxElements - bounds->elements) {
    return nullptr;
  }
  Reply* const reply = place_for(task);
  if (reply == nullptr) return nullptr;
  bounds->elements += static_cast<std::size_t>(elements);
  try {
    reply->kind = Reply::Kind::array;
    reply->elements.resize(static_cast<std::size_t>(elements));
  } catch (const std::bad_alloc&) {
    if (task->parent == nullptr) delete reply;
    return nullptr;
  }
  return reply;
}

void* create_integer(const redisReadTask* task, long long value) {
  Reply* const reply = place_for(task);
  if (reply == nullptr) return nullptr;
  reply->kind = Reply::Kind::integer;
  reply->integer = value;
  return reply;
}

void* create_nil(const redisReadTask* task) { return place_for(task); }

void free_reply(void* reply) { delete static_cast<Reply*>(reply); }

redisReplyObjectFunctions functions{.createString = create_string,
                                    .createArray = create_array,
                                    .createInteger = create_integer,
                                    .createNil = create_nil,
                                    .freeObject = free_reply};

struct FreeReader {
  void operator()(redisReader* reader) const { ::redisReaderFree(reader); }
};

}  // namespace

void append_command(std::span<const std::string_view> words, std::string& out) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  texts.reserve(words.size());
  sizes.reserve(words.size());
  for (const std::string_view word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* formatted = nullptr;
  const int size = ::redisFormatCommandArgv(&formatted, static_cast<int>(words.size()),
                                            texts.data(), sizes.data());
  if (size < 0) throw std::bad_alloc();
  const std::unique_ptr<char, decltype(&::redisFreeCommand)> owned(formatted, &::redisFreeCommand);
  out.append(formatted, static_cast<std::size_t>(size));
}

struct ReplyReader::State {
  std::unique_ptr<redisReader, FreeReader> reader{::redisReaderCreateWithFunctions(&functions)};
  Bounds bounds;

  /// Of a bulk string that has not arrived whole, whose type the reader has passed already.
  [[nodiscard]] bool claims_too_much() const {
    if (reader->ridx < 0 || reader->rstack[reader->ridx].type != REDIS_REPLY_STRING) return false;
    const std::string_view waiting(reader->buf + reader->pos, reader->len - reader->pos);
    const std::string_view digits = waiting.substr(0, waiting.find('\r'));
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
    return error == std::errc::result_out_of_range || (error == std::errc{} && size > kMaxBytes);
  }
};

ReplyReader::ReplyReader() : state_(std::make_unique<State>()) {
  if (!state_->reader) throw std::bad_alloc();
  state_->reader->privdata = &state_->bounds;
}
ReplyReader::ReplyReader(ReplyReader&&) noexcept = default;
ReplyReader& ReplyReader::operator=(ReplyReader&&) noexcept = default;
ReplyReader::~ReplyReader() = default;

void ReplyReader::feed(std::string_view bytes) {
  ::redisReaderFeed(state_->reader.get(), bytes.data(), bytes.size());
}

std::expected<std::optional<Reply>, std::string> ReplyReader::next() {
  redisReader& reader = *state_->reader;
  void* found = nullptr;
  if (::redisReaderGetReply(&reader, &found) != REDIS_OK) {
    return std::unexpected(reader.err == REDIS_ERR_OOM ? "it claims more than is ever read"
                                                       : std::string(reader.errstr));
  }
  if (found == nullptr) {
    if (reader.len - reader.pos > kMaxBytes || state_->claims_too_much()) {
      return std::unexpected("it claims more than is ever read");
    }
    return std::nullopt;
  }
  const std::unique_ptr<Reply> reply(static_cast<Reply*>(found));
  state_->bounds = {};
  return std::move(*reply);
}

}  // namespace tidegate::redis
