// SPDX-License-Identifier: Apache-2.0
// Two threads that wait, and none that works.
public class Sleeps {
    static void nap() throws InterruptedException {
        Thread.sleep(100);
    }

    static void sleeper() {
        try {
            while (true) {
                nap();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    public static void main(String[] args) {
        new Thread(Sleeps::sleeper, "second").start();
        System.out.println("ready");
        sleeper();
    }
}
