// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {Consortium} from "./support/Consortium.sol";
import {TypedData} from "./support/TypedData.sol";

/// @notice Asking, refusing, withdrawing. Asking permits nothing.
contract AccessRequestsTest is Consortium {
    function test_ask() public {
        IConsentRegistry.AccessRequest memory terms = requestOf(ALICE, DOCTOR);
        bytes32 request = keccak256(abi.encode(terms));
        vm.expectEmit(address(consents));
        emit IConsentRegistry.AccessRequested(ALICE, DOCTOR, request, terms);
        vm.prank(doctor);
        assertEq(consents.requestAccess(terms), request, "id");
        assertFalse(mayRead(ALICE, DOCTOR), "nothing is permitted by asking");
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.AlreadyRequested.selector, request));
        consents.requestAccess(terms);
    }

    function test_onlyForOneself() public {
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, DOCTOR, b));
        consents.requestAccess(requestOf(ALICE, DOCTOR));
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.UnknownPatient.selector, A));
        consents.requestAccess(requestOf(A, DOCTOR));
    }

    function test_refuse() public {
        vm.prank(doctor);
        bytes32 request = consents.requestAccess(requestOf(ALICE, DOCTOR));
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, ALICE, doctor));
        consents.refuseAccess(request);
        vm.expectEmit(address(consents));
        emit IConsentRegistry.AccessRefused(ALICE, DOCTOR, request);
        vm.prank(alice);
        consents.refuseAccess(request);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.UnknownRequest.selector, request));
        consents.refuseAccess(request);
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.AlreadyRequested.selector, request));
        consents.requestAccess(requestOf(ALICE, DOCTOR));
    }

    function test_refuseSigned() public {
        vm.prank(doctor);
        bytes32 request = consents.requestAccess(requestOf(ALICE, DOCTOR));
        bytes memory by = signature(TypedData.refuseAccess(ALICE, request, NOW), STRANGER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, ALICE));
        consents.refuseAccessSigned(request, NOW, by);
        by = signature(TypedData.refuseAccess(ALICE, request, NOW), ALICE_KEY);
        vm.warp(NOW + 1);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.SignatureExpired.selector, NOW));
        consents.refuseAccessSigned(request, NOW, by);
        vm.warp(NOW);
        consents.refuseAccessSigned(request, NOW, by);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.UnknownRequest.selector, request));
        consents.refuseAccessSigned(request, NOW, by);
    }

    function test_withdraw() public {
        vm.prank(doctor);
        bytes32 request = consents.requestAccess(requestOf(ALICE, DOCTOR));
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, DOCTOR, b));
        consents.withdrawRequest(request);
        vm.prank(doctor);
        consents.withdrawRequest(request);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.UnknownRequest.selector, request));
        consents.refuseAccess(request);
    }

    function test_whoeverSpeaksForTheGranteeWithdrawsWhateverItsStanding() public {
        IConsentRegistry.AccessRequest memory terms = requestOf(ALICE, B);
        vm.prank(b);
        bytes32 first = consents.requestAccess(terms);
        terms.reasonHash = keccak256("another");
        vm.prank(b);
        bytes32 second = consents.requestAccess(terms);
        vm.prank(b);
        identity.addOperator(B, stranger);
        vm.prank(stranger);
        consents.withdrawRequest(first);
        vm.prank(admin);
        identity.setStatus(B, IIdentityRegistry.Status.Suspended);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, B, stranger));
        consents.withdrawRequest(second);
        vm.prank(b);
        consents.withdrawRequest(second);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.UnknownRequest.selector, second));
        consents.refuseAccess(second);
    }

    function test_malformedRequestsAreRefused() public {
        IConsentRegistry.AccessRequest memory terms = requestOf(ALICE, DOCTOR);
        vm.startPrank(doctor);
        terms.labels = new bytes32[](0);
        vm.expectRevert(IConsentRegistry.InvalidLabels.selector);
        consents.requestAccess(terms);
        terms = requestOf(ALICE, DOCTOR);
        terms.to = NOW;
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidPeriod.selector, NOW, NOW));
        consents.requestAccess(terms);
        terms = requestOf(ALICE, DOCTOR);
        terms.actions = 64;
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidActions.selector, 64));
        consents.requestAccess(terms);
        vm.stopPrank();
    }

    function requestOf(bytes32 patient, bytes32 grantee) private pure returns (IConsentRegistry.AccessRequest memory) {
        return IConsentRegistry.AccessRequest({
            patient: patient,
            grantee: grantee,
            labels: one(GENERAL),
            actions: CAN_READ,
            purposes: TREAT,
            categories: EVERY_CATEGORY,
            from: NOW,
            to: NOW + 1000,
            reasonHash: keccak256("salt, reason")
        });
    }
}
