// SPDX-License-Identifier: Apache-2.0
// Three threads without end: one in Java, one in the kernel by way of JNI, one that makes garbage.
import java.io.FileInputStream;
import java.io.IOException;

public class Calls {
    private static volatile long sink;

    private static void burn() {
        long x = sink;
        for (int i = 0; i < 30_000; i++) {
            x = x * 6364136223846793005L + 1442695040888963407L;
        }
        sink = x;
    }

    private static void burner() {
        while (true) {
            burn();
        }
    }

    private static void reader() {
        byte[] bytes = new byte[4096];
        try (FileInputStream source = new FileInputStream("/dev/urandom")) {
            while (source.read(bytes) > 0) {
                sink = bytes[0];
            }
        } catch (IOException failure) {
            throw new IllegalStateException(failure);
        }
    }

    private static void allocator() {
        Object[] kept = new Object[500_000];
        int next = 0;
        while (true) {
            kept[next] = new byte[64];
            next = (next + 1) % kept.length;
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        Runnable[] all = {Calls::burner, Calls::reader, Calls::allocator};
        for (Runnable one : all) {
            new Thread(one).start();
        }
        Thread.sleep(1_000);  // compiled by then
        System.out.println("ready");
    }
}
