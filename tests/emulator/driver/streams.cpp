// SPDX-License-Identifier: BSD-2-Clause
// Streams and events. An event is a point of a stream; waiting for it does the work up to there.
#include <algorithm>
#include <utility>

#include "driver/world.h"

using namespace emulated;

namespace {

bool is_null(CUstream stream) {
    return !stream || stream == CU_STREAM_LEGACY;
}

std::shared_ptr<CUstream_st> alive(CUstream stream) {
    if (is_null(stream)) return current_context()->null_stream;
    const auto at = world().streams.find(stream);
    require(at != world().streams.end(), CUDA_ERROR_INVALID_HANDLE);
    return at->second;
}

CUevent alive(CUevent event) {
    require(world().events.count(event), CUDA_ERROR_INVALID_HANDLE);
    return event;
}

Mark end_of(const std::shared_ptr<CUstream_st> &stream) {
    return {stream, stream->issued};
}
bool is_done(const Mark &mark) {
    return !mark.stream || mark.stream->done >= mark.position;
}

std::vector<std::shared_ptr<CUstream_st>> streams_of(CUcontext context) {
    std::vector<std::shared_ptr<CUstream_st>> streams{context->null_stream};
    for (const auto &[handle, stream] : world().streams)
        if (stream->context == context) streams.push_back(stream);
    return streams;
}

void invalidate(CUstream_st &stream, CUresult error) {
    stream.invalidated = true;
    throw error;
}

// What the NULL stream and the blocking streams wait for in each other.
std::vector<Mark> implicit_waits(const CUstream_st &stream) {
    std::vector<Mark> marks;
    const std::shared_ptr<CUstream_st> &null_stream = stream.context->null_stream;
    for (const auto &other : streams_of(stream.context)) {
        if (other.get() == &stream || !other->blocking) continue;
        if (&stream != null_stream.get() && other != null_stream) continue;
        if (other->capture) invalidate(*other, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
        if (other->done < other->issued) marks.push_back(end_of(other));
    }
    return marks;
}

void run(CUcontext context, const Work &work) {
    if (context->error != CUDA_SUCCESS) return;
    try {
        work.run();
    } catch (CUresult error) {
        context->error = error;
    }
}

CUresult wait_for(const Mark &mark) {
    if (!mark.stream) return CUDA_SUCCESS;
    drain(mark);
    return mark.stream->context->error;
}

// Whoever asks again and again gets there: the work is done after the first answer.
CUresult query(const Mark &mark) {
    if (is_done(mark)) return mark.stream ? mark.stream->context->error : CUDA_SUCCESS;
    drain(mark);
    return CUDA_ERROR_NOT_READY;
}

}  // namespace

namespace emulated {

std::shared_ptr<CUstream_st> resolve(CUstream stream) {
    const CUcontext context = current_context();
    std::shared_ptr<CUstream_st> found = alive(stream);
    require(found->context == context, CUDA_ERROR_INVALID_HANDLE);
    require(!found->invalidated, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    return found;
}

void enqueue(CUstream handle, Work work) {
    const std::shared_ptr<CUstream_st> stream = resolve(handle);
    if (stream->capture) {
        stream->capture->push_back(std::move(work));
        return;
    }
    if (stream->blocking)
        for (Mark &mark : implicit_waits(*stream)) work.after.push_back(std::move(mark));
    stream->queue.push_back(std::move(work));
    ++stream->issued;
    if (world().eager) drain(end_of(stream));
}

void drain(const Mark &mark) {
    if (is_done(mark)) return;
    const AccessGuard access;
    CUstream_st &stream = *mark.stream;
    while (stream.done < mark.position) {
        const Work work = std::move(stream.queue.front());
        stream.queue.pop_front();
        for (const Mark &before : work.after) drain(before);
        run(stream.context, work);
        ++stream.done;
    }
}

void drain_context(CUcontext context) {
    for (const auto &stream : streams_of(context)) drain(end_of(stream));
    check_guards();
}

void fault_if_in_use(uintptr_t address) {
    std::lock_guard lock(world().mutex);
    const auto at = world().memory.find(address);
    if (at == world().memory.end()) return;
    const Allocation &freed = at->second;
    for (const auto &stream : streams_of(freed.context))
        for (const Work &work : stream->queue)
            for (const Range &range : work.uses)
                if (range.begin < freed.begin + freed.bytes &&
                    freed.begin < range.begin + range.bytes)
                    fault("memory is freed that " + work.name + " has yet to use");
}

void refuse_while_capturing() {
    for (const auto &[handle, stream] : world().streams) {
        if (!stream->capture || stream->mode == CU_STREAM_CAPTURE_MODE_RELAXED) continue;
        if (stream->mode == CU_STREAM_CAPTURE_MODE_GLOBAL ||
            stream->capturer == std::this_thread::get_id())
            invalidate(*stream, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    }
}

}  // namespace emulated

CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
    return call([&] {
        require((flags & ~CU_STREAM_NON_BLOCKING) == 0, CUDA_ERROR_INVALID_VALUE);
        auto made = std::make_shared<CUstream_st>();
        made->context = current_context();
        made->blocking = flags != CU_STREAM_NON_BLOCKING;
        *stream = made.get();
        world().streams[made.get()] = made;
    });
}

// What is on it still gets done.
CUresult cuStreamDestroy(CUstream stream) {
    return give_back([&] {
        require(!is_null(stream), CUDA_ERROR_INVALID_HANDLE);
        drain(end_of(alive(stream)));
        world().streams.erase(stream);
    });
}

CUresult cuStreamSynchronize(CUstream stream) {
    return call([&] {
        refuse_while_capturing();
        const CUresult error = wait_for(end_of(alive(stream)));
        check_guards();
        require(error == CUDA_SUCCESS, error);
    });
}

CUresult cuStreamQuery(CUstream stream) {
    return call([&] {
        refuse_while_capturing();
        const CUresult result = query(end_of(alive(stream)));
        require(result == CUDA_SUCCESS, result);
    });
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
    return call([&] {
        require(flags == 0, CUDA_ERROR_INVALID_VALUE);
        const std::shared_ptr<CUstream_st> on = alive(stream);
        const CUevent_st &what = *alive(event);
        if (on->capture) {
            // Work outside cannot be waited for inside a graph.
            if (what.capturing != on.get()) invalidate(*on, CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
            return;
        }
        // A capture that spreads to a second stream: mdrn's never does.
        require(!what.capturing, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
        if (!what.recorded.stream) return;
        enqueue(stream, {"a wait", [] {}, {}, {what.recorded}});
    });
}

CUresult cuStreamAddCallback(CUstream stream, CUstreamCallback callback, void *data, unsigned) {
    return call([&] {
        enqueue(stream, {"a callback", [=] { callback(stream, CUDA_SUCCESS, data); }, {}, {}});
    });
}

CUresult cuStreamGetCtx(CUstream stream, CUcontext *context) {
    return call([&] { *context = alive(stream)->context; });
}

CUresult cuEventCreate(CUevent *event, unsigned flags) {
    return call([&] {
        require(flags < 8, CUDA_ERROR_INVALID_VALUE);
        *event = new CUevent_st{current_context(), {}, nullptr};
        world().events.insert(*event);
    });
}

CUresult cuEventDestroy(CUevent event) {
    return give_back([&] {
        delete alive(event);
        world().events.erase(event);
    });
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
    return call([&] {
        CUevent_st &what = *alive(event);
        const std::shared_ptr<CUstream_st> on = resolve(stream);
        require(what.context == on->context, CUDA_ERROR_INVALID_HANDLE);
        what.capturing = on->capture ? on.get() : nullptr;
        if (on->capture) return;
        enqueue(stream, {"an event", [] {}, {}, {}});
        what.recorded = end_of(on);
    });
}

CUresult cuEventSynchronize(CUevent event) {
    return call([&] {
        require(!alive(event)->capturing, CUDA_ERROR_CAPTURED_EVENT);
        refuse_while_capturing();
        const CUresult error = wait_for(event->recorded);
        check_guards();
        require(error == CUDA_SUCCESS, error);
    });
}

CUresult cuEventQuery(CUevent event) {
    return call([&] {
        require(!alive(event)->capturing, CUDA_ERROR_CAPTURED_EVENT);
        refuse_while_capturing();
        const CUresult result = query(event->recorded);
        require(result == CUDA_SUCCESS, result);
    });
}
