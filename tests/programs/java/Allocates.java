// SPDX-License-Identifier: Apache-2.0
// Three quarters of the bytes in heavy(), which makes long[], one in light(), which makes String[].
public class Allocates {
    private static volatile Object sink;

    private static void heavy() {
        sink = new long[3_000];
    }

    private static void light() {
        // Its references are of four bytes each.
        sink = new String[2_000];
    }

    private static void work() {
        heavy();
        light();
    }

    public static void main(String[] arguments) throws InterruptedException {
        System.out.println("ready");
        while (true) {
            for (int i = 0; i < 2_000; i++) {
                work();
            }
            Thread.sleep(10);
        }
    }
}
